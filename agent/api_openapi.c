/* api_openapi.c -- /api/v1/openapi.yaml: the table of routes as OpenAPI 3.1.
 *
 * Everything in it comes from the rows of route_table.c but the few schemas that all share. Texts
 * stand in double quotes, escaped as JSON, which YAML reads as well.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api.h"

static const char preamble[] =
    "openapi: 3.1.0\n"
    "info:\n"
    "  title: \"tocsin\"\n"
    "  description: \"Prometheus' HTTP API, InfluxDB's writes, and our own endpoints.\"\n"
    "  license: {name: \"Apache-2.0\", identifier: \"Apache-2.0\"}\n"
    "  version: \"" TOCSIN_VERSION "\"\n"
    "servers:\n"
    "  - url: \"/\"\n";

static const char components[] =
    "components:\n"
    "  responses:\n"
    "    Success:\n"
    "      description: \"The answer.\"\n"
    "      content: {application/json: {schema: {$ref: \"#/components/schemas/Success\"}}}\n"
    "    Error:\n"
    "      description: \"What went wrong.\"\n"
    "      content: {application/json: {schema: {$ref: \"#/components/schemas/Error\"}}}\n"
    "  schemas:\n"
    "    Success:\n"
    "      type: object\n"
    "      required: [status]\n"
    "      properties:\n"
    "        status: {type: string, enum: [success]}\n"
    "        data: {}\n"
    "        warnings: {type: array, items: {type: string}}\n"
    "        infos: {type: array, items: {type: string}}\n"
    "    Error:\n"
    "      type: object\n"
    "      required: [status, errorType, error]\n"
    "      properties:\n"
    "        status: {type: string, enum: [error]}\n"
    "        errorType: {type: string}\n"
    "        error: {type: string}\n"
    "        position:\n"
    "          type: object\n"
    "          properties: {line: {type: integer}, column: {type: integer}, offset: {type: "
    "integer}}\n"
    "        hint: {type: string}\n";

/* The schema of a value of each type. */
static const char *const schemas[PARAM_TYPES] = {
    [PARAM_TEXT] = "{type: string}",
    [PARAM_EXPR] = "{type: string, format: promql}",
    [PARAM_SELECTOR] = "{type: string, format: promql-selector}",
    [PARAM_TIME] = "{oneOf: [{type: string, format: date-time}, {type: number, format: unixtime}]}",
    [PARAM_DURATION] = "{oneOf: [{type: string, format: duration}, {type: number}]}",
    [PARAM_NUMBER] = "{type: integer, format: int64}",
    [PARAM_BOOL] = "{type: boolean}",
};

static bool is_list(const struct route_param *param)
{
    return str_ends(str_of(param->name), STR("[]"));
}

static void put_schema(struct buf *out, const struct route_param *param)
{
    if (is_list(param))
        buf_addf(out, "{type: array, items: %s}", schemas[param->type]);
    else
        buf_addstr(out, schemas[param->type]);
}

static void put_text(struct buf *out, const char *before, const char *text)
{
    buf_addstr(out, before);
    json_quote(out, str_of(text), false);
    buf_addch(out, '\n');
}

/* --- a method of a path --- */

/* What stands for {name} or the final * of a path; empty: neither. */
static struct str path_param(const char *path)
{
    const char *open = strchr(path, '{');
    if (open) return (struct str){open + 1, strcspn(open + 1, "}")};
    return strchr(path, '*') ? STR("path") : STR("");
}

static void put_query_params(struct buf *out, const struct route *route)
{
    struct str in_path = path_param(route->path);
    if (route->param_count == 0 && in_path.len == 0) return;
    buf_addstr(out, "      parameters:\n");
    if (in_path.len)
        buf_addf(out,
                 "        - {name: \"%.*s\", in: path, required: true, schema: {type: string}}\n",
                 (int)in_path.len, in_path.p);
    for (size_t i = 0; i < route->param_count; i++) {
        const struct route_param *param = &route->params[i];
        buf_addf(out, "        - name: \"%s\"\n          in: query\n          required: %s\n",
                 param->name, param->required ? "true" : "false");
        put_text(out, "          description: ", param->text);
        buf_addstr(out, "          schema: ");
        put_schema(out, param);
        buf_addch(out, '\n');
    }
}

/* The same parameters as a form's fields. */
static void put_form(struct buf *out, const struct route *route)
{
    buf_addstr(out, "      requestBody:\n        content:\n"
                    "          application/x-www-form-urlencoded:\n            schema:\n"
                    "              type: object\n              properties:\n");
    for (size_t i = 0; i < route->param_count; i++) {
        buf_addf(out, "                \"%s\": ", route->params[i].name);
        put_schema(out, &route->params[i]);
        buf_addch(out, '\n');
    }
}

static void put_body(struct buf *out, const char *type)
{
    buf_addf(out, "      requestBody: {required: true, content: {\"%s\": {schema: {type: %s}}}}\n",
             type, strcmp(type, "application/json") == 0 ? "object" : "string");
}

static void put_responses(struct buf *out, const struct route *route)
{
    buf_addstr(out, "      responses:\n");
    if (route->sends)
        buf_addf(out, "        \"200\": {description: \"The answer.\", content: {\"%s\": {}}}\n",
                 route->sends);
    else
        buf_addstr(out, "        \"200\": {$ref: \"#/components/responses/Success\"}\n");
    buf_addstr(out, "        default: {$ref: \"#/components/responses/Error\"}\n");
}

/* "GET /api/v1/label/{name}/values" becomes "get_api_v1_label_name_values". */
static void put_operation_id(struct buf *out, const char *method, const char *path)
{
    buf_addf(out, "      operationId: \"%s", method);
    bool gap = true;
    for (const char *c = path; *c; c++) {
        bool word = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
        if (word && gap) buf_addch(out, '_');
        if (word) buf_addch(out, *c);
        gap = !word;
    }
    buf_addstr(out, "\"\n");
}

static void put_method(struct buf *out, const struct route *route, const char *method)
{
    bool post = strcmp(method, "post") == 0;
    buf_addf(out, "    %s:\n", method);
    buf_addf(out, "      tags: [\"%s\"]\n", route_group_names[route->group]);
    put_text(out, "      summary: ", route->purpose);
    put_operation_id(out, method, route->path);
    if (post && (route->flags & ROUTE_FORM))
        put_form(out, route);
    else
        put_query_params(out, route);
    if (post && route->body_type) put_body(out, route->body_type);
    put_responses(out, route);
}

static void put_route(struct buf *out, const struct route *route)
{
    static const struct {
        enum http_method method;
        const char *name;
    } methods[] = {
        {HTTP_GET,    "get"   },
        {HTTP_POST,   "post"  },
        {HTTP_PUT,    "put"   },
        {HTTP_DELETE, "delete"},
    };
    int plain = (int)strcspn(route->path, "*");
    buf_addf(out, "  \"%.*s%s\":\n", plain, route->path, route->path[plain] ? "{path}" : "");
    for (size_t i = 0; i < COUNT(methods); i++)
        if (route->methods & methods[i].method) put_method(out, route, methods[i].name);
}

void api_openapi(struct app *a, struct request *r, struct response *p)
{
    UNUSED(a);
    UNUSED(r);
    p->content_type = "application/yaml";
    buf_addstr(&p->body, preamble);
    buf_addstr(&p->body, "paths:\n");
    for (size_t i = 0; i < route_count; i++)
        put_route(&p->body, &routes[i]);
    buf_addstr(&p->body, components);
}
