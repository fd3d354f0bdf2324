/** The shop's own script. It keeps the access token in the place that the page names. */

const { place, base } = document.body.dataset;

// A module has a scope of its own: no other script can name this variable.
let tokenInClosure = "";

const NONE = { keep: () => {}, take: () => "" };
const PLACES = {
  "local-storage": {
    keep: (token) => localStorage.setItem("accessToken", token),
    take: () => localStorage.getItem("accessToken"),
  },
  "session-storage": {
    keep: (token) => sessionStorage.setItem("accessToken", token),
    take: () => sessionStorage.getItem("accessToken"),
  },
  global: {
    keep: (token) => (window.accessToken = token),
    take: () => window.accessToken,
  },
  closure: {
    keep: (token) => (tokenInClosure = token),
    take: () => tokenInClosure,
  },
};
const token = PLACES[place] ?? NONE;

// A token that an earlier try left elsewhere would make this place look weak too.
for (const other of Object.values(PLACES)) if (other !== token) other.keep("");

const account = document.querySelector("#account");
const form = document.querySelector("#address");

/** Sends a request as the customer: with the token, or with the cookie that the browser adds. */
function ask(path, options = {}) {
  const headers = token.take() ? { Authorization: `Bearer ${token.take()}` } : {};
  return fetch(base + path + location.search, { ...options, headers });
}

async function showAccount() {
  const answer = await ask("whoami");
  const { user, address } = await answer.json();
  for (const part of document.querySelectorAll("[data-when]")) {
    part.hidden = (part.dataset.when === "logged in") !== answer.ok;
  }
  if (answer.ok) {
    account.textContent = user;
    form.elements.address.value = address;
  }
  document.body.dataset.state = answer.ok ? "logged in" : "logged out";
}

/** A token in memory is gone after a reload. The refresh cookie brings another one. */
async function restore() {
  if (place !== "global" && place !== "closure") return;
  const answer = await ask("refresh", { method: "POST" });
  if (answer.ok) token.keep((await answer.json()).accessToken);
}

document.querySelector("#log-in").addEventListener("click", async () => {
  const answer = await ask("login", { method: "POST" });
  token.keep((await answer.json()).accessToken ?? "");
  await showAccount();
});
document.querySelector("#log-out").addEventListener("click", async () => {
  await ask("logout", { method: "POST" });
  token.keep("");
  await showAccount();
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await ask("address", { method: "POST", body: new FormData(form) });
  document.querySelector("#said").textContent = answer.ok ? "The address is saved." : "Log in again.";
  await showAccount();
});
await restore();
await showAccount();
