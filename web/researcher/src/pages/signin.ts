import { el, show } from "../../../participant/src/dom.js";
import { type Api, ApiError } from "../api.js";
import { t } from "../words.js";

/** Where the server leads back when a provider's accounts are not let in. */
const REFUSED = "#refused";

/** Name and password; `done` goes on. */
export function signIn(api: Api, done: () => void): void {
  const name = el("input", { id: "name", name: "name", autocomplete: "username", required: true });
  const password = el("input", {
    id: "password",
    name: "password",
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  const alert = el("p", { role: "alert", class: "missing" });
  const form = el(
    "form",
    {},
    el("div", { class: "field" }, el("label", { for: "name" }, t("name")), name),
    el("div", { class: "field" }, el("label", { for: "password" }, t("password")), password),
    alert,
    el("button", { class: "main" }, t("sign_in")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    api.signIn(name.value, password.value).then(done, (error: unknown) => {
      alert.textContent = problemText(error);
      password.value = "";
      password.focus();
    });
  });
  if (location.hash === REFUSED) {
    alert.textContent = t("provider_refused");
    history.replaceState(null, "", location.pathname);
  }
  const other = el("p", { class: "buttons" });
  show(t("sign_in_title"), el("p", {}, t("sign_in_intro")), other, form);
  void api.provider().then((called) => {
    if (called === null) return;
    const go = el("a", { class: "main", href: "/api/researcher/oidc/start" });
    go.textContent = t("sign_in_with", { name: called });
    other.append(go);
  }, () => undefined);
}

export function problemText(error: unknown): string {
  if (!(error instanceof ApiError)) return t("offline");
  return error.code === "bad_password" ? t("bad_password") : error.message;
}
