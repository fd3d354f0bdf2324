/** Runs proofs one after another and shows each result beside its claim. Without JavaScript, each button sends a form. */

import { h, submit } from "./dom.js";

const form = document.getElementById("run");
const status = document.querySelector("[data-status-line]");
const live = document.querySelector("[data-live]");
const progress = document.querySelector("progress");
const number = document.querySelector("[data-done]");
const stop = document.querySelector("[data-stop]");
const results = new Map();
let running = false;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-run], [data-part], [data-all], [data-stop]");
  if (!button) return;
  event.preventDefault();
  if ("stop" in button.dataset) running = false;
  else if (!running) run([...runnable(button)], button);
});
if (live) live.hidden = false;

// The text of a cell lies over other cells. Escape puts it away until the next one is pointed at.
const board = document.querySelector(".board");
document.addEventListener("keydown", ({ key }) => key === "Escape" && board?.classList.add("quiet"));
for (const event of ["mouseover", "focusin"]) document.addEventListener(event, () => board?.classList.remove("quiet"));

/** The claims whose proofs this button runs: rows or cells, each with the address of its proof in `data-claim`. */
function runnable({ dataset }) {
  if (dataset.run) return [document.getElementById(dataset.run)];
  const within = dataset.part ? document.getElementById(dataset.part) : document;
  return within.querySelectorAll("[data-claim]");
}

async function run(claims, pressed) {
  running = true;
  let done = 0;
  show(0, claims.length);
  say("Running.");
  try {
    for (const claim of claims) {
      if (!running) break;
      await prove(claim);
      show(++done, claims.length);
    }
    say(summary(claims, done));
  } catch (problem) {
    say(`${problem.message} Stopped after ${done} of ${claims.length}.`);
  }
  running = false;
  // A hidden button loses the focus. Without this, the keyboard would start again at the top of the page.
  if (document.activeElement === stop) pressed.focus();
  show(0, 0);
}

async function prove(claim) {
  const before = claim.querySelector(".cell")?.dataset.state;
  claim.setAttribute("aria-busy", "true");
  if (before !== undefined) paint(claim, "running", "running");
  try {
    const result = await submit(form, {}, { action: claim.dataset.claim });
    results.set(result.id, result);
    fill(claim, result);
    count();
  } catch (problem) {
    if (before !== undefined) paint(claim, before, before || "not run");
    throw problem;
  } finally {
    claim.removeAttribute("aria-busy");
  }
}

function paint(claim, state, words) {
  claim.querySelector(".cell").dataset.state = state;
  claim.querySelector("[data-now]").textContent = words;
}

function fill(claim, result) {
  if (claim.querySelector(".cell")) {
    paint(claim, result.status, result.outcome);
    return;
  }
  const outcome = claim.querySelector(".outcome");
  outcome.dataset.status = result.status;
  outcome.textContent = result.outcome;
  outcome.closest("[data-outcome]").hidden = false;
  const seen = claim.querySelector("[data-result]");
  seen.hidden = false;
  seen.replaceChildren(...(result.needs ? missed(result) : seenNow(result)));
}

function seenNow(result) {
  return [
    h("p", {},
      h("strong", {}, "Seen just now."),
      result.failure ? ` The proof broke off: ${result.failure}` : " Verdict: ",
      result.failure ? null : verdict(result), " ",
      h("span", { class: "muted" }, `(${Math.round(result.ms)} ms)`)),
    items(result.evidence),
  ];
}

/** For a proof that cannot run here: what it needs, and its last recorded result. */
function missed({ needs, recorded }) {
  const what = h("p", {}, h("strong", {}, "Not run."), ` It needs ${needs}`);
  if (!recorded) return [what];
  const { problem, at, command, evidence } = recorded;
  const found = problem ? [` ${problem}`] : [` On ${at}: `, verdict(recorded), "."];
  const label = h("p", {},
    h("strong", {}, "Last recorded."), ...found, " To run it now, press Run, or in a terminal: ", h("code", {}, command));
  return problem ? [what, label] : [what, label, items(evidence)];
}

function verdict({ verdict }) {
  return h("span", { class: "verdict", "data-verdict": verdict }, verdict);
}

function items(evidence) {
  return h("ul", { class: "evidence", role: "list" }, ...evidence.map(item));
}

function item({ asked, seen, true: right, limit }) {
  return h("li", { "data-true": right ? "yes" : "no", "data-limit": limit },
    h("span", {}, limit ? h("strong", { class: "muted" }, "Limit: ") : null, asked), " ",
    h("span", { class: "visually-hidden" }, right ? "(as said)" : "(not as said)"), " ",
    h("code", {}, seen));
}

function count() {
  const field = document.querySelector("[data-count]");
  const words = counted([...results.values()]);
  if (field && words) field.textContent = `${words}.`;
}

/** Counts in the words of `_count` in lab/pages/claims.py. "" if no proof could run here. */
function counted(all) {
  const ran = all.filter(({ needs }) => !needs);
  if (ran.length === 0) return "";
  const right = ran.filter(({ status }) => status === "proved");
  const number = (verdict) => right.filter((result) => result.verdict === verdict).length;
  const [hold, under, wrong] = ["holds", "holds, if", "does not hold"].map(number);
  const s = (count) => (count === 1 ? "s" : "");
  const words = `As expected ${right.length}: ${hold} hold${s(hold)}, ${under} hold${s(under)} if, ${wrong} do${wrong === 1 ? "es" : ""} not`;
  const other = ran.length - right.length;
  return words + (other ? `; ${other} not as expected` : "");
}

function summary(claims, done) {
  const run = claims.slice(0, done).map(({ id }) => results.get(id));
  if (claims.length === 1) {
    const [{ id, outcome, needs }] = run;
    return needs ? `${id}: ${outcome}. It needs ${needs}` : `${id}: ${outcome}.`;
  }
  const wrong = run.filter(({ status }) => status === "contradicted").map(({ id }) => id);
  const late = run.filter(({ needs }) => needs).length;
  const ended = done < claims.length ? `Stopped after ${done} of ${claims.length}` : `Done, ${done} of ${claims.length}`;
  const parts = [counted(run) + (wrong.length ? ` (${wrong.join(", ")})` : ""), late ? `${late} not run here` : ""];
  return `${ended}. ${parts.filter(Boolean).join("; ")}.`;
}

function show(done, of) {
  if (!stop) return;
  stop.hidden = progress.hidden = number.hidden = of === 0;
  // No live region: a screen reader would read 117 of them out. It finds the same number in the progress bar.
  number.textContent = `${done} of ${of}`;
  progress.max = of || 1;
  progress.value = done;
}

function say(text) {
  status.textContent = text;
}
