// What the page knows: the customers, their messages, who types; kept up to date by the simulator's events.

import { ask } from "./server.js";

const TYPING_MILLISECONDS = 25_000;
const PATIENCE_MILLISECONDS = 5_000;

export class KnownCustomer {
  constructor(person) {
    this.person = person;
    this.messages = [];
    this.unread = 0;
    this.typing = 0;
    this.draft = "";
    this.awaited = new Map();
  }

  get lastAt() {
    return this.messages.at(-1)?.at ?? 0;
  }

  add(message) {
    this.messages.push(message);
    this.awaited.get(message.wamid)?.();
    this.awaited.delete(message.wamid);
  }

  // Resolves when the message has come, or not at all within reason.
  has(wamid) {
    if (this.messages.some((message) => message.wamid === wamid)) return Promise.resolve();
    return new Promise((resolve) => {
      this.awaited.set(wamid, resolve);
      setTimeout(resolve, PATIENCE_MILLISECONDS);
    });
  }
}

export class World {
  // `on` has snapshot(world), customer(customer, was), message(customer, message), status(customer, message),
  // changed(customer, message), typing(customer), faults(list) and lost().
  constructor(on) {
    this.on = on;
    this.customers = new Map();
    this.strangers = new Map(); // what came from customers that the snapshot had no room for, by their id
    this.business = { name: "…" };
    this.suggestions = [];
  }

  follow() {
    const feed = new EventSource("/simulator/events");
    const heard = (kind, handle) => feed.addEventListener(kind, (event) => handle(JSON.parse(event.data)));
    feed.addEventListener("error", () => this.on.lost());
    heard("snapshot", (told) => this.begin(told));
    heard("customer", ({ was, ...person }) => this.on.customer(this.meet(person, was), was));
    heard("message", (message) => this.add(message));
    heard("status", (change) => this.move(change));
    heard("changed", (message) => this.change(message));
    heard("typing", ({ customer }) => this.types(this.customers.get(customer)));
    heard("faults", ({ faults }) => this.on.faults(faults));
  }

  newestFirst() {
    return [...this.customers.values()].sort((one, other) => other.lastAt - one.lastAt);
  }

  // `was` is the id of a known customer who has another one from now on.
  meet(person, was = null) {
    const known = this.customers.get(was) ?? this.customers.get(person.id) ?? new KnownCustomer(person);
    this.customers.delete(was);
    this.customers.set(person.id, Object.assign(known, { person }));
    return known;
  }

  begin(told) {
    const drafts = new Map([...this.customers].map(([id, { draft }]) => [id, draft]));
    this.customers.clear();
    this.business = told.business;
    this.suggestions = told.suggestions;
    for (const person of told.customers) this.meet(person).draft = drafts.get(person.id) ?? "";
    for (const message of told.messages) this.customers.get(message.customer)?.add(message);
    this.on.snapshot(told);
    this.on.faults(told.faults);
  }

  add(message) {
    const customer = this.customers.get(message.customer);
    if (!customer) return void this.askFor(message);
    if (!message.by_customer) this.stopTyping(customer);
    this.on.message(customer, message);
  }

  // Somebody whom the snapshot had no room for: the whole chat is asked for, and what came meanwhile is put behind it.
  async askFor(message) {
    const id = message.customer;
    if (this.strangers.has(id)) return void this.strangers.get(id).push(message);
    const waiting = [message];
    this.strangers.set(id, waiting);
    const told = await ask("state").catch(() => null);
    this.strangers.delete(id);
    const person = told?.customers.find((one) => one.id === id);
    if (!person || this.customers.has(id)) return;
    const customer = this.meet(person);
    const known = told.messages.filter((one) => one.customer === id);
    const wamids = new Set(known.map((one) => one.wamid));
    customer.messages.push(...known);
    customer.unread = waiting.filter((one) => !one.by_customer && wamids.has(one.wamid)).length;
    this.on.customer(customer);
    for (const one of waiting.filter(({ wamid }) => !wamids.has(wamid))) this.add(one);
  }

  move({ customer: id, wamid, status }) {
    const customer = this.customers.get(id);
    const message = customer?.messages.find((one) => one.wamid === wamid);
    if (!message) return;
    message.status = status;
    this.on.status(customer, message);
  }

  // Edited, deleted or reacted to: one and the same message, as it is now.
  change(message) {
    const customer = this.customers.get(message.customer);
    const known = customer?.messages.find((one) => one.wamid === message.wamid);
    if (known) this.on.changed(customer, Object.assign(known, message));
  }

  types(customer) {
    if (!customer) return;
    clearTimeout(customer.typing);
    customer.typing = setTimeout(() => this.stopTyping(customer), TYPING_MILLISECONDS);
    this.on.typing(customer);
  }

  stopTyping(customer) {
    clearTimeout(customer.typing);
    customer.typing = 0;
    this.on.typing(customer);
  }
}
