/** The page `gateway`: draws the hops of each design. Without JavaScript, the page has the same in words. */
import "./sequence.js";

const data = document.querySelector("#trips");
const trips = data ? JSON.parse(data.textContent) : [];

for (const diagram of document.querySelectorAll("sequence-diagram")) {
  const trip = trips[diagram.dataset.number - 1];
  diagram.show([trip], `${trip.title} as a sequence diagram; beside it the same in words`, trip.participants);
}
