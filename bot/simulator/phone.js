// One customer's phone: the chat, and what the customer writes, attaches, quotes and presses.

import { ChatView } from "./chat_view.js";
import { sizeOf, summaryOf } from "./media_view.js";
import { element } from "./message_text.js";
import { post, sendFile } from "./server.js";

const NOTICE_MILLISECONDS = 6_000;

export class Phone {
  // `world` has business, suggestions, and what the page does: front(phone), selected(wamid), openSide(), openTrace(),
  // menu(message, phone).
  constructor(template, world) {
    this.world = world;
    this.slot = template.content.firstElementChild.cloneNode(true);
    this.customer = null;
    this.quoted = null;
    this.file = null;
    this.noticeTimer = 0;
    this.chat = new ChatView(this.by("log"), {
      press: (quoted, button_id) => this.send(() => post("messages", { customer: this.id, quoted, button_id })),
      menu: (message) => world.menu(message, this),
      select: (wamid) => world.selected(this, wamid),
      reply: (message) => this.quote(message),
    });
    this.listen();
  }

  by(name) {
    return this.slot.querySelector(`.${name}`);
  }

  get id() {
    return this.customer.person.id;
  }

  get text() {
    return this.by("typed");
  }

  show(customer) {
    if (this.customer) this.customer.draft = this.text.value;
    this.customer = customer;
    customer.unread = 0;
    this.drawOwner();
    this.by("business-name").textContent = this.world.business.name;
    this.by("business-avatar").textContent = initials(this.world.business.name);
    this.text.value = customer.draft ?? "";
    this.quote(null);
    this.attach(null);
    this.fit();
    this.chat.show(customer.messages);
    this.drawTyping();
    this.drawSuggestions();
  }

  drawOwner() {
    const { person } = this.customer;
    this.slot.dataset.customer = this.id;
    this.by("owner").replaceChildren(element("b", person.name), ` ${addressOf(person)}`);
    this.by("phone").setAttribute("aria-label", `Phone of ${person.name}`);
    this.by("log").setAttribute("aria-label", `Messages of ${person.name}`);
    this.by("whose").textContent = `as ${person.name}`;
  }

  add(message) {
    this.chat.add(message);
    this.drawSuggestions();
  }

  drawTyping() {
    const typing = Boolean(this.customer.typing);
    this.presence(typing ? "typing…" : "online");
    if (typing) this.chat.showTyping();
    else this.chat.hideTyping();
  }

  presence(text) {
    if (this.by("presence").textContent !== text) this.by("presence").textContent = text;
  }

  drawSuggestions() {
    const shown = this.customer.messages.length ? [] : this.world.suggestions;
    this.by("suggestions").hidden = !shown.length;
    this.by("suggestions").replaceChildren(...shown.map((question) => {
      const chip = element("button", question, "chip");
      chip.type = "button";
      chip.addEventListener("click", () => this.say(question));
      return chip;
    }));
  }

  notice(text) {
    this.by("notice").textContent = text;
    this.by("notice").hidden = false;
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => { this.by("notice").hidden = true; }, NOTICE_MILLISECONDS);
  }

  quote(message) {
    this.quoted = message;
    this.by("quoting").hidden = !message;
    if (!message) return;
    this.by("quoting").querySelector("b").textContent = message.by_customer ? "You" : this.world.business.name;
    this.by("quoting").querySelector("span").textContent = summaryOf(message);
    this.text.focus();
  }

  attach(file) {
    this.file = file;
    this.by("attached").hidden = !file;
    if (!file) return;
    this.by("attached").querySelector("b").textContent = file.name;
    this.by("attached").querySelector("span").textContent = `${sizeOf(file.size)} · ${file.type || "unknown type"}`;
    this.text.focus();
  }

  async say(text, more = {}) {
    if (!text.trim()) return false;
    return this.send(() => post("messages", { customer: this.id, text, ...more }), text);
  }

  // Shows what is on its way with a clock, and says what went wrong.
  async send(work, shown = "") {
    const customer = this.customer;
    const arrived = shown ? this.chat.addWaiting(shown) : () => {};
    try {
      const { wamid } = await work();
      if (shown) await customer.has(wamid);
      return true;
    } catch (error) {
      this.notice(`That did not work: ${error.message}`);
      return false;
    } finally {
      arrived();
    }
  }

  async submit() {
    const { file, quoted } = this;
    const text = this.text.value;
    if (!file && !text.trim()) return;
    this.text.value = "";
    this.fit();
    this.quote(null);
    this.attach(null);
    const reply = quoted ? { quoted: quoted.wamid } : {};
    const sent = file
      ? await this.send(() => sendFile({ customer: this.id, file, caption: text, ...reply }), file.name)
      : await this.say(text, reply);
    if (sent) return;
    this.text.value = text;
    this.quote(quoted);
    this.attach(file);
  }

  fit() {
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight}px`;
  }

  listen() {
    this.by("composer").addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
    this.text.addEventListener("input", () => this.fit());
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && (this.quoted || this.file)) {
        event.stopPropagation();
        this.quote(null);
        this.attach(null);
      }
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.by("composer").requestSubmit();
    });
    this.by("attach").addEventListener("click", () => this.by("attachment").click());
    this.by("attachment").addEventListener("change", () => {
      this.attach(this.by("attachment").files[0] ?? null);
      this.by("attachment").value = "";
    });
    this.by("quoting").querySelector("button").addEventListener("click", () => { this.quote(null); this.text.focus(); });
    this.by("attached").querySelector("button").addEventListener("click", () => { this.attach(null); this.text.focus(); });
    this.by("open-side").addEventListener("click", () => this.world.openSide());
    this.by("show-trace").addEventListener("click", () => this.world.openTrace(this));
    this.slot.addEventListener("focusin", () => this.world.front(this));
    this.slot.addEventListener("pointerdown", () => this.world.front(this));
  }
}

export function addressOf({ phone, username, id }) {
  return phone ? `+${phone}` : username ? `@${username}, no phone` : `${id.slice(0, 9)}…, no phone`;
}

export function initials(name) {
  return name.split(/\s+/).slice(0, 2).map((word) => word[0] ?? "").join("").toUpperCase();
}
