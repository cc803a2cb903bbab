// api.js -- the daemon's HTTP API.

async function json(url, options) {
  let response;
  try {
    response = await fetch(url, {headers: {"X-Tocsin-CSRF": "1"}, ...options});
  } catch {
    throw new Error("tocsin does not answer: is it running?");
  }
  let body;
  try {
    body = await response.json();
  } catch {
    throw new Error(`${url}: HTTP status ${response.status}`);
  }
  if (body.status === "error") throw new Error(body.error);
  return body;
}

export async function instant(query, signal) {
  const body = await json(`/api/v1/query?${new URLSearchParams({query})}`, {signal});
  return body.data.result;
}

/** How many points a series of a span has; the daemon thins what is longer. */
export function points({start, end, step}) {
  return Math.min(11000, Math.max(2, Math.floor((end - start) / step) + 1));
}

/** Range queries in one request; resolves to an array of {error} or {result: [series]}. */
export async function batch({start, end, step}, queries, signal) {
  const body = await json("/api/v1/query_batch", {
    method: "POST",
    signal,
    headers: {"Content-Type": "application/json", "X-Tocsin-CSRF": "1"},
    body: JSON.stringify({start, end, step, max_points: points({start, end, step}),
      queries: queries.map((query) => ({query}))}),
  });
  const results = body.results || body.data.results;
  return results.map((r) => r.status === "error" ? {error: r.error} : {result: r.data.result});
}

export async function alerts(signal) {
  return (await json("/api/v1/alerts", {signal})).data.alerts;
}
