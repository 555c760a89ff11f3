// The list of chats: the newest on top, with what was said last, and what is unread.

import { summaryOf } from "./media_view.js";
import { element } from "./message_text.js";
import { addressOf, initials } from "./phone.js";

const STEPS = { ArrowUp: -1, ArrowDown: 1 };

export class CustomerList {
  // `page` has shown(customer), front() and choose(customer, { focus }).
  constructor(list, world, page) {
    this.list = list;
    this.world = world;
    this.page = page;
    list.addEventListener("keydown", (event) => { if (!event.altKey) this.step(event); });
  }

  draw() {
    const focused = document.activeElement?.closest?.(".customer")?.dataset.customer;
    const customers = this.world.newestFirst();
    this.list.replaceChildren(...customers.map((customer) => this.row(customer)));
    if (focused) this.button(focused)?.focus();
    const unread = customers.reduce((sum, customer) => sum + customer.unread, 0);
    for (const badge of document.querySelectorAll(".all-unread")) {
      badge.textContent = unread;
      badge.hidden = !unread;
    }
  }

  // Arrow keys: the chat before or after the one in front.
  step(event) {
    const by = STEPS[event.key];
    const customers = this.world.newestFirst();
    const next = customers[customers.indexOf(this.page.front()) + by];
    if (!by || !next) return;
    event.preventDefault();
    const inList = this.list.contains(document.activeElement);
    this.page.choose(next, { focus: !inList });
    if (inList) this.button(next.person.id)?.focus();
  }

  button(id) {
    return [...this.list.querySelectorAll(".customer")].find((button) => button.dataset.customer === id);
  }

  row(customer) {
    const { person, messages, unread } = customer;
    const row = element("li");
    const button = element("button", "", "customer");
    button.type = "button";
    button.dataset.customer = person.id;
    if (customer === this.page.front()) button.setAttribute("aria-current", "true");
    if (this.page.shown(customer)) button.classList.add("shown");
    button.addEventListener("click", () => this.page.choose(customer));
    const avatar = element("span", initials(person.name), "avatar");
    avatar.setAttribute("aria-hidden", "true");
    const last = messages.at(-1);
    const lines = element("span", "", "lines");
    lines.append(element("b", person.name), element("small", last ? summaryOf(last) : addressOf(person)));
    button.append(avatar, lines);
    if (unread) button.append(element("span", String(unread), "badge"));
    row.append(button);
    return row;
  }
}
