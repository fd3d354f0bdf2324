// Looks for the refresh token in everything that a script can reach, and in the answer that sets the next one.
fetch(REFRESH, { method: "POST" }).then(async (answer) => {
  const found = gather();
  const said = { ...(await answer.json()), "Set-Cookie": answer.headers.get("Set-Cookie") };
  for (const [name, value] of Object.entries(said)) {
    if (typeof value === "string") found.push({ where: "the answer of refresh", name, value });
  }
  report("sought", found);
});
