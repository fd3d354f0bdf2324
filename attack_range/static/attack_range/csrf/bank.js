// The bank's own page. An access token is kept in this variable only; cookies are HttpOnly.
let accessToken = "";
const { login, transfer } = document.forms;
const { attempt, window: seconds } = document.body.dataset;
const find = (id) => document.getElementById(id);

function post(path, body) {
  const headers = accessToken ? { Authorization: `Bearer ${accessToken}` } : {};
  return fetch(path, { method: "POST", headers, body: new URLSearchParams(body) });
}

function show(account) {
  for (const name of ["name", "balance"]) find(name).textContent = account[name];
  find("credential").textContent = login.querySelector(`option[value="${account.credential}"]`).textContent;
  transfer.elements.csrfmiddlewaretoken.value = account.csrf;
  const countdown = new URL(find("countdown").href);
  countdown.searchParams.set("since", account.since);
  countdown.searchParams.set("credential", account.credential);
  if (seconds) countdown.searchParams.set("window", seconds);
  find("countdown").href = countdown;
  find("account").hidden = false;
}

async function look() {
  const headers = accessToken ? { Authorization: `Bearer ${accessToken}` } : {};
  const answer = await fetch("account", { headers });
  if (answer.ok) show(await answer.json());
  return answer.ok;
}

async function resume() {
  if (await look()) return;
  const answer = await post("refresh");
  if (!answer.ok) return;
  ({ accessToken } = await answer.json());
  await look();
}

login.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await post(`login?attempt=${attempt}`, new FormData(login));
  find("status").textContent = answer.ok ? "" : "Name and password do not belong together.";
  if (!answer.ok) return;
  const account = await answer.json();
  accessToken = account.accessToken ?? "";
  show(account);
});

transfer.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await post(`transfer/${find("defence").value}`, new FormData(transfer));
  find("status").textContent = answer.ok ? "The money was sent." : `The bank refused: ${answer.status}.`;
  await look();
});

if ("hasLogin" in document.body.dataset) resume();
