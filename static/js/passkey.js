/* Binds allauth's passkey ceremony (its script comes before this one) to the page's button, and says
   in the page why a passkey was not used.
   Every string that a person reads comes from the markup, so that it can be translated. */

const box = document.getElementById("passkey-problem");

const KINDS = { NotAllowedError: "refused", AbortError: "refused", InvalidStateError: "known" };

document.addEventListener("allauth.error", (e) => {
  if (!box || !e.detail.tags.includes("webauthn")) return;
  e.preventDefault();
  box.hidden = false;
  box.querySelector("p").textContent = box.dataset[KINDS[e.detail.exception.name] ?? "impossible"];
});

for (const place of document.querySelectorAll("[data-passkey]")) {
  window.allauth.webauthn.forms[place.dataset.passkey]({ ids: JSON.parse(place.dataset.ids) });
}
