/* The API's documentation: Swagger UI on our OpenAPI document, in the page's own theme. */

const place = document.getElementById("api-docs");
const system = matchMedia("(prefers-color-scheme: dark)");

function follow() {
  const chosen = document.documentElement.dataset.theme;
  const dark = chosen ? chosen === "yard-dark" : system.matches;
  document.documentElement.classList.toggle("dark-mode", dark);
}

system.addEventListener("change", follow);
new MutationObserver(follow).observe(document.documentElement, { attributeFilter: ["data-theme"] });
follow();

window.SwaggerUIBundle({
  url: place.dataset.url,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
