// Counts down from the login. The bank's page has put its time and its credential into the address of this page.
const { since, window: seconds, credential } = document.body.dataset;
// The time matters only for a cookie without SameSite.
const AT_ANY_TIME = {
  "session-none": "Your cookie has SameSite=None: it goes along with this form at any time.",
  "session-lax": "Your cookie has SameSite=Lax: it never goes along with this form.",
  "session-strict": "Your cookie has SameSite=Strict: it never goes along with this form.",
  bearer: "You are logged in by a token in a header: this form cannot carry it.",
};
const left = document.getElementById("left");
const means = document.getElementById("means");

function show() {
  const remaining = Math.ceil(Number(since) + Number(seconds) - Date.now() / 1000);
  left.textContent = remaining > 0 ? `${remaining} s` : "0 s";
  means.textContent = remaining > 0
    ? "left: the cookie goes along with this form."
    : "left: the browser keeps the cookie back.";
}

if (credential in AT_ANY_TIME) {
  means.textContent = AT_ANY_TIME[credential];
} else if (since) {
  show();
  setInterval(show, 500);
}
