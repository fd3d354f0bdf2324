let isDone = false;
inEachState(async (state) => {
  if (state !== "logged in" || isDone) return;
  isDone = true;
  const answer = await fetch(REFRESH + (IS_INSIDE_OURS ? "" : location.search), { method: "POST" });
  const { accessToken } = answer.ok ? await answer.json() : {};
  report("refreshed", accessToken ? [{ where: "the answer of refresh", name: "accessToken", value: accessToken }] : []);
});
