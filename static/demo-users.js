/** Fills the login form of this page with a demo account. On a page without that form, "Use" is a link to one. */
const form = document.querySelector("main form:has([autocomplete=current-password])");
const links = form ? document.querySelectorAll(".use") : [];

for (const link of links) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    use(link);
  });
  // The link of another page names the account after the #. Before the page has loaded, the browser would scroll to that
  // account and take the focus away from the form.
  if (link.hash === location.hash) addEventListener("load", () => use(link));
}

function use({ dataset }) {
  form.querySelector("[autocomplete=username]").value = dataset.email;
  form.querySelector("[autocomplete=current-password]").value = dataset.password;
  form.querySelector("[type=submit]").focus();
}
