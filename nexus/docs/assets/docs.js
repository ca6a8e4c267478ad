// Fetches the document, asking for a key where the app asks who calls, and
// shows it.
"use strict";
(() => {
  const byID = (id) => document.getElementById(id);
  const say = (id, text) => {
    byID(id).textContent = text;
    byID(id).hidden = text === "";
  };
  const kept = "docs.key";

  const credentials = () => {
    const key = sessionStorage.getItem(kept);
    return key ? { Authorization: "Bearer " + key } : {};
  };

  async function load() {
    let response;
    try {
      response = await fetch("/openapi.json", { headers: { Accept: "application/json", ...credentials() } });
    } catch {
      return say("failed", "The server can't be reached.");
    }
    const body = await response.json().catch(() => ({}));
    if (response.status === 401) {
      say("refused", sessionStorage.getItem(kept) ? [body.detail, body.hint].filter(Boolean).join(": ") : "");
      sessionStorage.removeItem(kept);
      byID("ask").hidden = false;
      return byID("key").focus();
    }
    if (!response.ok) return say("failed", [body.detail ?? "The document can't be read.", body.hint].filter(Boolean).join(" "));
    byID("ask").hidden = true;
    show(body);
  }

  function show(spec) {
    document.title = byID("title").textContent = spec.info.title;
    const many = Object.keys(spec.paths).length > 60;
    const ui = SwaggerUIBundle({
      spec,
      domNode: byID("api"),
      deepLinking: true,
      displayRequestDuration: true,
      docExpansion: many ? "none" : "list",
      defaultModelsExpandDepth: many ? 0 : 1,
      filter: true,
      tryItOutEnabled: true,
      persistAuthorization: false,
      validatorUrl: null,
      withCredentials: false,
      requestInterceptor: (request) => {
        if (!request.headers.Authorization && !request.headers["X-API-Key"]) Object.assign(request.headers, credentials());
        return request;
      },
    });
    const key = sessionStorage.getItem(kept);
    if (key && spec.components?.securitySchemes?.bearer) ui.preauthorizeApiKey("bearer", key);
  }

  byID("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(kept, byID("key").value.trim());
    byID("key").value = "";
    load();
  });
  load();
})();
