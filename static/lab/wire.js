/** The page `wire`: draws the exchanges, and downloads them. Without JavaScript, the page has the same in words. */
import { s } from "./dom.js";
import { sequence } from "./sequence.js";

const data = document.querySelector("#exchanges");
const exchanges = data ? JSON.parse(data.textContent) : [];

for (const diagram of document.querySelectorAll("sequence-diagram")) {
  const exchange = exchanges[diagram.dataset.number - 1];
  const item = diagram.closest("li");
  diagram.show([exchange], `${exchange.method} ${exchange.path} as a sequence diagram; beside it the same in words`);
  // A click on the diagram is a shortcut. With a keyboard, the user opens the details themselves.
  diagram.addEventListener("click", () => (item.querySelector("details").open = true));
}

const FILES = {
  json: () => new Blob([JSON.stringify(exchanges, null, 2)], { type: "application/json" }),
  svg: () => new Blob([standalone(exchanges)], { type: "image/svg+xml" }),
};
for (const button of document.querySelectorAll("[data-download]")) {
  button.closest("p").hidden = false;
  button.addEventListener("click", () => {
    const address = URL.createObjectURL(FILES[button.dataset.download]());
    Object.assign(document.createElement("a"), { href: address, download: `wire.${button.dataset.download}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  });
}

// A visitor who opens the link to an exchange is brought to that exchange when the scenario has been played.
if (/^#exchange-\d+$/.test(location.hash)) {
  for (const button of document.querySelectorAll("[formaction]")) {
    button.formAction = button.formAction.replace("#recorded", location.hash);
  }
}

addEventListener("hashchange", reveal);
reveal();

function reveal() {
  const chosen = /^#exchange-\d+$/.test(location.hash) && document.querySelector(location.hash);
  if (chosen) chosen.querySelector("details").open = true;
}

// A saved file has no stylesheet, so the styles of each element are written into it as attributes.
function standalone(exchanges) {
  const picture = sequence(exchanges, 720);
  const place = document.querySelector("#recorded");
  place.append(picture);
  for (const element of picture.querySelectorAll("*")) {
    const style = getComputedStyle(element);
    for (const name of ["stroke-width", "stroke-dasharray", "font-family", "font-weight", "paint-order"]) {
      element.setAttribute(name, style.getPropertyValue(name));
    }
    for (const name of ["fill", "stroke"]) element.setAttribute(name, plain(style.getPropertyValue(name)));
  }
  picture.removeAttribute("aria-hidden");
  picture.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const paper = plain(getComputedStyle(document.body).backgroundColor);
  picture.prepend(s("rect", { width: "100%", height: "100%", fill: paper }));
  picture.remove();
  return new XMLSerializer().serializeToString(picture);
}

// Few programs except browsers know oklch().
function plain(colour) {
  if (colour === "none") return colour;
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const pen = canvas.getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
  return `rgb(${red}, ${green}, ${blue})`;
}
