// Draws one customer's chat: bubbles with tails, times and ticks, quotes, buttons, the typing bubble.

import { attachmentOf, summaryOf } from "./media_view.js";
import { element, formatted } from "./message_text.js";

const SVG = "http://www.w3.org/2000/svg";
const TICKS = { waiting: "Waiting", sent: "Sent", delivered: "Delivered", read: "Read", failed: "Not delivered" };
const ONE_TICK = ["M4 6.5 7.5 10 14 2.5"];
const TWO_TICKS = ["M1 6.5 4.5 10 11 2.5", "M7.3 9.2 8.2 10 14.7 2.5"];
const CLOCK = ["M9 1.2a4.8 4.8 0 1 0 .01 0", "M9 3.4V6.3L11 7.6"];
const EXCLAMATION = ["M9 1v6.4", "M9 10.6v.1"];
const NEAR_END = 120;
const QUOTED_LETTERS = 140;

export class ChatView {
  // `on` has press(wamid, id), menu(message), select(wamid) and reply(message).
  constructor(log, on) {
    this.log = log;
    this.on = on;
    this.forget();
    // who reads the end goes on reading it when a picture has loaded or the composer has grown
    this.following = true;
    log.addEventListener("scroll", () => { this.following = this.isAtEnd(); });
    log.addEventListener("load", () => this.stayAtEnd(), true);
    new ResizeObserver(() => this.stayAtEnd()).observe(log);
    log.addEventListener("keydown", (event) => this.moveByKey(event));
    log.addEventListener("focusin", (event) => this.reach(event.target.closest(".row[data-wamid]")));
  }

  forget() {
    this.rows = new Map();
    this.messages = new Map();
    this.waiting = new Set();
    this.typing = null;
    this.last = null;
    this.reached = null;
  }

  show(messages) {
    this.forget();
    this.log.setAttribute("aria-busy", "true");
    const notice = "This is a simulation. Nothing goes to WhatsApp.";
    this.log.replaceChildren(element("p", notice, "system privacy"));
    for (const message of messages) this.add(message, false);
    this.log.removeAttribute("aria-busy");
    this.toEnd();
  }

  add(message, live = true) {
    if (this.rows.has(message.wamid)) return;
    const follow = message.by_customer || this.isAtEnd();
    if (!message.by_customer) this.hideTyping();
    this.addDay(message.at);
    const row = this.row(message.by_customer, live);
    row.dataset.wamid = message.wamid;
    row.tabIndex = -1;
    row.setAttribute("role", "article");
    this.messages.set(message.wamid, message);
    this.rows.set(message.wamid, row);
    row.append(this.bubble(message));
    if (message.buttons.length) row.append(this.choices(message));
    row.addEventListener("click", (event) => { if (!event.target.closest("button, a, audio, video")) this.on.select(message.wamid); });
    this.log.insertBefore(row, this.tail());
    this.last = { by_customer: message.by_customer, at: message.at };
    if (!this.reached) this.reach(row);
    if (follow) this.toEnd();
  }

  // Something on its way to the simulator: shown with a clock until the caller takes it away.
  addWaiting(text) {
    const row = this.row(true, true);
    const bubble = element("div", "", "bubble");
    bubble.append(textOf(text));
    const meta = element("span", "", "meta");
    meta.append(ticks("waiting"));
    bubble.append(meta);
    row.append(bubble);
    this.waiting.add(row);
    this.log.insertBefore(row, this.typing);
    this.toEnd();
    return () => { this.waiting.delete(row); row.remove(); };
  }

  status(wamid, status) {
    const message = this.messages.get(wamid);
    const row = this.rows.get(wamid);
    if (!message || !row) return;
    message.status = status;
    row.querySelector(".meta").replaceWith(metaOf(message));
  }

  // Edited, deleted, reacted to.
  redraw(message) {
    this.rows.get(message.wamid)?.querySelector(".bubble").replaceWith(this.bubble(message));
  }

  // Shows which messages belong together, and which one was chosen.
  mark(wamids, chosen) {
    for (const [wamid, row] of this.rows) {
      row.classList.toggle("of-turn", wamids.has(wamid));
      if (wamid === chosen) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  showTyping() {
    if (this.typing) return;
    const follow = this.isAtEnd();
    this.typing = this.row(false, true);
    this.typing.classList.add("first");
    const bubble = element("div", "", "bubble typing");
    bubble.setAttribute("role", "img");
    bubble.setAttribute("aria-label", "typing");
    bubble.append(element("i"), element("i"), element("i"));
    this.typing.append(bubble);
    this.log.append(this.typing);
    if (follow) this.toEnd();
  }

  hideTyping() {
    this.typing?.remove();
    this.typing = null;
  }

  system(text) {
    this.log.insertBefore(element("p", text, "system"), this.tail());
    this.toEnd();
  }

  toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  stayAtEnd() {
    if (this.following) this.toEnd();
  }

  tail() {
    return [...this.waiting][0] ?? this.typing;
  }

  isAtEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_END;
  }

  row(byCustomer, live) {
    const row = element("div", "", byCustomer ? "row mine" : "row theirs");
    if (!this.last || this.last.by_customer !== byCustomer || this.last.newDay) row.classList.add("first");
    if (live) row.classList.add("arriving");
    return row;
  }

  addDay(at) {
    const day = new Date(at).toDateString();
    const before = this.last && new Date(this.last.at).toDateString();
    if (day === before) return;
    this.log.insertBefore(element("p", dayName(at, day), "system day"), this.tail());
    if (this.last) this.last.newDay = true;
  }

  bubble(message) {
    const bubble = element("div", "", "bubble");
    const quoted = message.quoted && this.messages.get(message.quoted);
    if (quoted) bubble.append(this.quote(quoted));
    if (message.header) bubble.append(element("strong", message.header, "card-head"));
    if (message.attachment) bubble.append(attachmentOf(message.attachment));
    if (message.text) bubble.append(textOf(message.text));
    if (message.revoked) bubble.append(element("em", "This message was deleted", "revoked"));
    if (message.footer) bubble.append(element("span", message.footer, "card-foot"));
    const reply = element("button", "↩", "reply");
    reply.type = "button";
    reply.tabIndex = -1;
    reply.title = "Reply to this message (R)";
    reply.setAttribute("aria-label", "Reply to this message");
    reply.addEventListener("click", () => this.on.reply(message));
    bubble.append(metaOf(message), reply);
    const reactions = Object.values(message.reactions ?? {}).join(" ");
    if (reactions) bubble.append(element("span", reactions, "reactions"));
    return bubble;
  }

  quote(quoted) {
    const quote = element("div", "", "quote");
    quote.append(element("b", quoted.by_customer ? "You" : "Business"), element("span", summaryOf(quoted).slice(0, QUOTED_LETTERS)));
    quote.addEventListener("click", () => this.rows.get(quoted.wamid)?.scrollIntoView({ block: "center" }));
    return quote;
  }

  choices(message) {
    const group = element("div", "", "choices");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "Choices");
    const choice = (title, act) => {
      const button = element("button", title, "choice");
      button.type = "button";
      button.addEventListener("click", act);
      return button;
    };
    if (message.menu) {
      const opener = choice(`☰ ${message.menu}`, () => this.on.menu(message));
      opener.setAttribute("aria-haspopup", "dialog");
      group.append(opener);
    } else {
      group.append(...message.buttons.map(({ id, title }) => choice(title, () => this.on.press(message.wamid, id))));
    }
    return group;
  }

  // Keyboard: one bubble can be reached by Tab, the arrows move from there

  reach(row) {
    if (!row) return;
    if (this.reached) {
      this.reached.tabIndex = -1;
      this.reached.querySelector(".reply").tabIndex = -1;
    }
    this.reached = row;
    row.tabIndex = 0;
    row.querySelector(".reply").tabIndex = 0;
  }

  moveByKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("button, audio, video, a")) return;
    const rows = [...this.rows.values()];
    const at = rows.indexOf(event.target.closest(".row[data-wamid]"));
    const to = { ArrowUp: at < 0 ? rows.length - 1 : at - 1, ArrowDown: at < 0 ? rows.length : at + 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) {
      if (!rows[to]) return;
      event.preventDefault();
      rows[to].focus();
    } else if (at >= 0 && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      this.on.select(rows[at].dataset.wamid);
    } else if (at >= 0 && event.key.toLowerCase() === "r") {
      event.preventDefault();
      this.on.reply(this.messages.get(rows[at].dataset.wamid));
    }
  }
}

function textOf(text) {
  const node = element("div", "", "text");
  node.dir = "auto";
  node.append(formatted(text));
  return node;
}

function dayName(at, day) {
  const yesterday = new Date();
  yesterday.setDate(yesterday.getDate() - 1);
  if (day === new Date().toDateString()) return "Today";
  if (day === yesterday.toDateString()) return "Yesterday";
  return new Date(at).toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" });
}

function metaOf(message) {
  const meta = element("span", "", "meta");
  const time = element("time", new Date(message.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = new Date(message.at).toISOString();
  if (message.edited) meta.append("edited ");
  meta.append(time);
  // a phone shows no ticks on what came in; that it never came in is worth knowing here
  if (message.by_customer || message.status === "failed") meta.append(ticks(message.status));
  return meta;
}

export function ticks(status) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 18 12");
  svg.setAttribute("class", `ticks ${status}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", TICKS[status] ?? TICKS.waiting);
  const drawn = { sent: ONE_TICK, delivered: TWO_TICKS, read: TWO_TICKS, failed: EXCLAMATION }[status] ?? CLOCK;
  for (const d of drawn) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
