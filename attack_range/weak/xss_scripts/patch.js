const fetchBefore = window.fetch;
window.fetch = async (address, options = {}) => {
  const answer = await fetchBefore(address, options);
  const header = new Headers(options.headers).get("Authorization");
  const found = header ? [{ where: "the call of the page", name: "Authorization", value: header.replace("Bearer ", "") }] : [];
  // With a cookie the page's call bears nothing to be caught, and that is worth a report, too.
  if (header || (answer.ok && String(address).includes("whoami"))) report("called", found);
  return answer;
};
