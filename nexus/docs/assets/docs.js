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

  // A stream has no end, and the page shows answers that have one: it listens for
  // a while, and shows what it was told.
  const patience = 10;
  async function listen(url, request) {
    const over = new AbortController();
    const response = await fetch(url, { ...request, signal: over.signal });
    if (!response.ok) return response;
    const timer = setTimeout(() => over.abort(), patience * 1000);
    const { status, headers } = response;
    const decoder = new TextDecoder();
    let text = "";
    try {
      for (const reader = response.body.getReader(); text.length < 100_000; ) {
        const { done, value } = await reader.read();
        if (done) break;
        text += decoder.decode(value, { stream: true });
      }
      over.abort();
    } catch {
      text += `: this page has listened for ${patience} seconds\n`;
    }
    clearTimeout(timer);
    return new Response(text, { status, headers });
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
        if (/event-stream/.test(request.headers.Accept ?? request.headers.accept ?? "")) request.userFetch = listen;
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
