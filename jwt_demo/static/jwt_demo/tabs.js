/**
 * Lets the tabs of one browser take turns, and tell each other of logins and logouts. It works within one origin.
 */

export class Tabs {
  #name;
  /** @type {BroadcastChannel | null} It is `null` in a browser that has no such channels. */
  #channel = null;
  /** @type {Promise<any>} Settles with the last turn of this tab. Only a browser without Web Locks uses it. */
  #lastTurn = Promise.resolve();

  /**
   * @param {string} name The name of the lock and of the channel.
   * @param {(userId: string) => void} hear Called with what `tell` was given in another tab.
   */
  constructor(name, hear) {
    this.#name = name;
    if ("BroadcastChannel" in globalThis) this.#channel = new BroadcastChannel(name);
    this.#channel?.addEventListener("message", (event) => hear(event.data));
  }

  /**
   * Runs `work` when no other turn is running, in this tab or in another one. Without turns, two tabs would change
   * the cookie at once, and the answer that arrives last would overwrite the other one.
   *
   * @param {() => Promise<void>} work
   * @returns {Promise<any>} It rejects when `work` does.
   */
  takeTurn(work) {
    if (navigator.locks) return navigator.locks.request(this.#name, work);
    // The second `work` runs when the last turn has failed. Without it, all later turns would fail too.
    this.#lastTurn = this.#lastTurn.then(work, work);
    return this.#lastTurn;
  }

  /** @param {string} userId The user who has logged in in this tab, or an empty string after a logout. */
  tell(userId) {
    this.#channel?.postMessage(userId);
  }
}
