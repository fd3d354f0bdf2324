/** Plays a scene step by step, with the answers of the server, and puts its address into the address bar. */
import { h, submit } from "./dom.js";

const form = document.querySelector("#scene");
const status = document.querySelector("#status");
const list = document.querySelector("#steps");
const end = document.querySelector("#end");
const still = matchMedia("(prefers-reduced-motion: reduce)");
let turn = 0;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const mine = ++turn;
  say("Playing …");
  try {
    const played = await submit(form);
    if (mine === turn) await unfold(played, mine);
  } catch (error) {
    say(error.message);
  }
});

function say(text) {
  status.hidden = false;
  status.textContent = text;
}

async function unfold(played, mine) {
  const address = `?scene=${played.scene}&grace_period=${played.grace_period}`;
  history.replaceState(null, "", address);
  document.querySelector("#address").href = address;
  const name = form.querySelector("[name=scene]:checked + span").firstChild.textContent.trim();
  document.querySelector("#play-title").textContent = `${name}, grace period ${played.grace_period ? `${played.grace_period} s` : "off"}`;
  list.replaceChildren();
  end.hidden = true;
  for (const step of played.steps) {
    list.append(panel(step, address));
    say(`Step ${step.number} of ${played.steps.length}. ${step.note || step.description}`);
    if (!still.matches) await new Promise((resolve) => setTimeout(resolve, 900));
    if (mine !== turn) return;
  }
  document.querySelector("#logins").replaceChildren(...played.end.map(loginRow));
  end.hidden = false;
  const out = played.end.filter((each) => !each.in).map((each) => each.who);
  say(out.length ? `Out at the end: ${out.join(", ")}.` : "No client is out.");
}

function panel(step, address) {
  const number = h("a", { href: `${address}#step-${step.number}` }, step.number);
  const explanation = step.note && h("p", { class: "explanation" }, step.alarm ? h("span", { "aria-hidden": "true" }, "⚠ ") : "", step.note);
  const parts = [h("h3", {}, number, ` ${step.description}`), ...step.requests.map(exchange), explanation || null, h("div", { class: "families" }, ...step.families.map(familyItem))];
  return h("li", { id: `step-${step.number}`, class: `panel actor-${step.actor}${step.alarm ? " alarm" : ""}` }, ...parts);
}

function exchange(item) {
  const request = h("div", {}, h("dt", {}, "Asked"), h("dd", {}, h("code", {}, item.request), h("small", {}, `with the ${item.token}`)));
  const cookie = item.cookie ? h("small", {}, h("code", {}, `Set-Cookie: ${item.cookie}`)) : null;
  const answered = h("div", {}, h("dt", {}, "Answered"), h("dd", {}, h("b", {}, item.status), ` ${item.result}`, cookie));
  return h("dl", { class: "facts" }, request, answered);
}

function familyItem(family) {
  const reason = family.reason ? h("small", { class: "muted" }, ` ${family.reason}`) : null;
  const state = h("p", {}, `The ${family.name}’s login: `, h("b", {}, family.alive ? "✓ alive" : "✕ ended"), reason);
  return h("div", { class: "family" }, state, h("ol", { role: "list" }, ...family.nodes.map(nodeItem)));
}

function nodeItem(node) {
  const holders = node.holders.map((who) => h("span", { class: `holder ${who}` }, who));
  return h("li", { class: node.state }, h("b", {}, node.number), ` ${node.state}`, h("small", {}, ...(holders.length ? holders : ["no client holds it"])));
}

function loginRow(each) {
  const cells = [each.whoami ?? "had none", each.refresh, each.in ? "✓ in" : "✕ out"];
  return h("tr", {}, h("th", { scope: "row" }, each.who), ...cells.map((cell) => h("td", {}, cell)));
}
