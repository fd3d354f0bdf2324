/**
 * <password-field> around a password input adds a button that shows what was typed.
 * Without JavaScript it stays a plain password field.
 */
class PasswordField extends HTMLElement {
  connectedCallback() {
    if (this.button) return;
    this.input = this.querySelector("input");
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.addEventListener("click", () => this.show(this.input.type === "password"));
    // A browser remembers what is in a text field when the form is sent, and offers it to the next person.
    this.input.form.addEventListener("submit", () => this.show(false));
    this.append(this.button);
    this.show(false);
  }

  show(visible) {
    const verb = visible ? "Hide" : "Show";
    this.input.type = visible ? "text" : "password";
    this.button.textContent = verb;
    this.button.setAttribute("aria-label", `${verb} ${this.input.labels[0].textContent}`);
  }
}

customElements.define("password-field", PasswordField);
