import { el, show } from "../../../participant/src/dom.js";
import { type Api, ApiError } from "../api.js";
import { t } from "../words.js";

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
  show(t("sign_in_title"), el("p", {}, t("sign_in_intro")), form);
}

export function problemText(error: unknown): string {
  if (!(error instanceof ApiError)) return t("offline");
  return error.code === "bad_password" ? t("bad_password") : error.message;
}
