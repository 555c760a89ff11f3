// Draws one customer's chat: bubbles with tails, times and ticks, buttons, the typing bubble.

import { element, formatted } from "./message_text.js";

const SVG = "http://www.w3.org/2000/svg";
const TICKS = { sent: "Sent", delivered: "Delivered", read: "Read", failed: "Not delivered" };
const NEAR_END = 120;
const MENU_OPEN = "menu-open";

export class ChatView {
  constructor(log, press) {
    this.log = log;
    this.press = press;
    this.nodes = new Map();
    this.texts = new Map();
    this.typing = null;
    this.last = null;
  }

  show(messages) {
    this.nodes.clear();
    this.texts.clear();
    this.typing = null;
    this.last = null;
    const notice = "This is a simulation. Nothing goes to WhatsApp.";
    this.log.replaceChildren(element("p", notice, "system privacy"));
    for (const message of messages) this.add(message, false);
    this.log.scrollTop = this.log.scrollHeight;
  }

  add(message, live = true) {
    const follow = message.by_customer || this.isAtEnd();
    this.hideTyping();
    this.addDay(message.at);
    const row = element("div", "", message.by_customer ? "row mine" : "row theirs");
    if (!this.last || this.last.by_customer !== message.by_customer || this.last.newDay) row.classList.add("first");
    if (live) row.classList.add("arriving");
    row.append(this.bubble(message));
    if (message.buttons.length) row.append(this.choices(message));
    this.log.append(row);
    this.nodes.set(message.wamid, row);
    this.texts.set(message.wamid, message);
    this.last = { by_customer: message.by_customer, at: message.at };
    if (follow) this.log.scrollTop = this.log.scrollHeight;
  }

  status(wamid, status) {
    const message = this.texts.get(wamid);
    const old = this.nodes.get(wamid)?.querySelector(".ticks");
    if (message) message.status = status;
    if (old) old.replaceWith(ticks(status));
  }

  showTyping() {
    if (this.typing) return;
    const follow = this.isAtEnd();
    this.typing = element("div", "", "row theirs first");
    const bubble = element("div", "", "bubble typing");
    bubble.setAttribute("aria-label", "typing");
    bubble.append(element("i"), element("i"), element("i"));
    this.typing.append(bubble);
    this.log.append(this.typing);
    if (follow) this.log.scrollTop = this.log.scrollHeight;
  }

  hideTyping() {
    this.typing?.remove();
    this.typing = null;
  }

  system(text) {
    this.log.append(element("p", text, "system"));
    this.log.scrollTop = this.log.scrollHeight;
  }

  isAtEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_END;
  }

  addDay(at) {
    const day = new Date(at).toDateString();
    const before = this.last && new Date(this.last.at).toDateString();
    if (day === before) return;
    const today = day === new Date().toDateString();
    const shown = new Date(at).toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" });
    this.log.append(element("p", today ? "Today" : shown, "system day"));
    if (this.last) this.last.newDay = true;
  }

  bubble(message) {
    const bubble = element("div", "", "bubble");
    const quoted = message.quoted && this.texts.get(message.quoted);
    if (quoted) {
      const quote = element("div", "", "quote");
      quote.append(element("b", quoted.by_customer ? "You" : "Business"), element("span", quoted.text.slice(0, 120)));
      bubble.append(quote);
    }
    if (message.header) bubble.append(element("strong", message.header, "card-head"));
    const text = element("div", "", "text");
    text.dir = "auto";
    text.append(formatted(message.text));
    bubble.append(text);
    if (message.footer) bubble.append(element("span", message.footer, "card-foot"));
    bubble.append(this.meta(message));
    return bubble;
  }

  meta(message) {
    const meta = element("span", "", "meta");
    const time = element("time", new Date(message.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    time.dateTime = new Date(message.at).toISOString();
    meta.append(time);
    if (message.by_customer) meta.append(ticks(message.status));
    return meta;
  }

  choices(message) {
    const group = element("div", "", "choices");
    group.setAttribute("role", "group");
    const buttons = message.buttons.map(({ id, title }) => {
      const button = element("button", title, "choice");
      button.type = "button";
      button.addEventListener("click", () => this.press(message.wamid, id));
      return button;
    });
    if (message.menu) {
      const opener = element("button", `☰ ${message.menu}`, "choice");
      opener.type = "button";
      opener.setAttribute("aria-expanded", "false");
      opener.addEventListener("click", () => opener.setAttribute("aria-expanded", group.classList.toggle(MENU_OPEN)));
      group.classList.add("menu");
      group.append(opener);
    }
    group.append(...buttons);
    return group;
  }
}

export function ticks(status) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 18 12");
  svg.setAttribute("class", `ticks ${status}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", TICKS[status] ?? "Waiting");
  const paths = status === "sent" ? ["M4 6.5 7.5 10 14 2.5"] : ["M1 6.5 4.5 10 11 2.5", "M7.3 9.2 8.2 10 14.7 2.5"];
  for (const d of paths) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
