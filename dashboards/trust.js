// trust.js -- what lets dygraphs live under the page's strict policy; runs before it loads.
"use strict";
// The page's one Trusted Types policy: whatever is about to become HTML is escaped. dygraphs writes
// axis labels through innerHTML; nothing it or we show needs markup.
if (window.trustedTypes) {
  const escapes = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"};
  window.trustedTypes.createPolicy("default", {
    createHTML: (text) => text.replace(/[&<>"']/g, (c) => escapes[c]),
  });
}
// style-src 'self' forbids style attributes, not the style object: dygraphs sets the former.
const setAttribute = Element.prototype.setAttribute;
Element.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else setAttribute.call(this, name, value);
};
