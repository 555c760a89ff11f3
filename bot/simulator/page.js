// The chat page: follows the simulator's events, writes as the chosen customer, switches between customers.

import { ChatView } from "./chat_view.js";
import { KnowledgePanel } from "./knowledge_panel.js";
import { element } from "./message_text.js";

const TYPING_MILLISECONDS = 25_000;
const NOTICE_MILLISECONDS = 6_000;
const by = (id) => document.getElementById(id);

const customers = new Map();
let chosen = null;
let known = false;
let noticeTimer = 0;

const chat = new ChatView(by("log"), (quoted, button_id) => post("messages", { customer: chosen, quoted, button_id }));
const knowledge = new KnowledgePanel(by("documents"), (item) => chat.system(`${item.filename} is ready. Ask about it!`));

// What the simulator tells

const feed = new EventSource("/simulator/events");
const on = (kind, handle) => feed.addEventListener(kind, (event) => handle(JSON.parse(event.data)));
feed.addEventListener("error", () => presence("connecting…"));

on("snapshot", (world) => {
  customers.clear();
  for (const person of world.customers) customers.set(person.id, newCustomer(person));
  for (const message of world.messages) customers.get(message.customer)?.messages.push(message);
  by("business-name").textContent = world.business.name;
  by("business-avatar").textContent = initials(world.business.name);
  by("knowledge").hidden = !world.knowledge;
  if (world.knowledge && !known) knowledge.load();
  known = true;
  drawSuggestions(world.suggestions);
  const wanted = customers.has(chosen) ? chosen : newestFirst()[0]?.person.id;
  if (wanted) choose(wanted);
  else drawCustomers();
});

on("customer", (person) => {
  if (!customers.has(person.id)) customers.set(person.id, newCustomer(person));
  if (!chosen) choose(person.id);
  drawCustomers();
});

on("message", (message) => {
  const customer = customers.get(message.customer);
  if (!customer) return;
  customer.messages.push(message);
  if (!message.by_customer) stopTyping(customer);
  if (message.customer === chosen) chat.add(message);
  else if (!message.by_customer) customer.unread += 1;
  drawCustomers();
  drawSuggestionsVisibility();
});

on("status", ({ customer, wamid, status }) => {
  const message = customers.get(customer)?.messages.find((one) => one.wamid === wamid);
  if (message) message.status = status;
  if (customer === chosen) chat.status(wamid, status);
  drawCustomers();
});

on("typing", ({ customer: id }) => {
  const customer = customers.get(id);
  if (!customer) return;
  clearTimeout(customer.typing);
  customer.typing = setTimeout(() => stopTyping(customer), TYPING_MILLISECONDS);
  drawTyping();
});

function newCustomer(person) {
  return { person, messages: [], unread: 0, typing: 0 };
}

function stopTyping(customer) {
  clearTimeout(customer.typing);
  customer.typing = 0;
  drawTyping();
}

// What the page shows

function choose(id) {
  chosen = id;
  const customer = customers.get(id);
  customer.unread = 0;
  by("whose").textContent = `as ${customer.person.name}`;
  chat.show(customer.messages);
  drawTyping();
  drawCustomers();
  drawSuggestionsVisibility();
}

function drawTyping() {
  const typing = Boolean(customers.get(chosen)?.typing);
  presence(typing ? "typing…" : "online");
  if (typing) chat.showTyping();
  else chat.hideTyping();
}

function presence(text) {
  if (by("presence").textContent !== text) by("presence").textContent = text;
}

function drawCustomers() {
  by("customers").replaceChildren(...newestFirst().map(customerRow));
  const unread = [...customers.values()].reduce((sum, customer) => sum + customer.unread, 0);
  by("all-unread").textContent = unread;
  by("all-unread").hidden = !unread;
}

function newestFirst() {
  const at = (customer) => customer.messages.at(-1)?.at ?? 0;
  return [...customers.values()].sort((one, other) => at(other) - at(one));
}

function customerRow({ person, messages, unread }) {
  const row = element("li");
  const button = element("button", "", "customer");
  button.type = "button";
  if (person.id === chosen) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => { choose(person.id); closeSide(); by("text").focus(); });
  const avatar = element("span", initials(person.name), "avatar");
  avatar.setAttribute("aria-hidden", "true");
  const last = messages.at(-1);
  const lines = element("span", "", "lines");
  lines.append(element("b", person.name), element("small", last ? last.text : person.phone ? `+${person.phone}` : "phone hidden"));
  button.append(avatar, lines);
  if (unread) button.append(element("span", String(unread), "badge"));
  row.append(button);
  return row;
}

function drawSuggestions(questions) {
  by("suggestions").replaceChildren(...questions.map((question) => {
    const chip = element("button", question, "chip");
    chip.type = "button";
    chip.addEventListener("click", () => say(question));
    return chip;
  }));
}

function drawSuggestionsVisibility() {
  by("suggestions").hidden = !by("suggestions").children.length || (customers.get(chosen)?.messages.length ?? 0) > 0;
}

function initials(name) {
  return name.split(/\s+/).slice(0, 2).map((word) => word[0] ?? "").join("").toUpperCase();
}

function notice(text) {
  by("notice").textContent = text;
  by("notice").hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { by("notice").hidden = true; }, NOTICE_MILLISECONDS);
}

// What the customer does

async function post(path, body) {
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(`/simulator/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(await answer.text());
    return await answer.json();
  } catch (error) {
    notice(`That did not work: ${error.message}`);
    return null;
  }
}

async function say(text) {
  if (!text.trim() || !chosen) return false;
  return (await post("messages", { customer: chosen, text })) !== null;
}

function fit() {
  const text = by("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
}

by("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = by("text").value;
  by("text").value = "";
  fit();
  if (text.trim() && !(await say(text))) by("text").value = text;
});
by("text").addEventListener("input", fit);
by("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  by("composer").requestSubmit();
});

// Customers

function newAddress(hidden) {
  const digits = [...crypto.getRandomValues(new Uint8Array(14))].map((byte) => byte % 10).join("");
  return hidden ? `US.${digits}` : `1202555${digits.slice(0, 4)}`;
}

by("new-customer").addEventListener("click", () => {
  by("customer-form").reset();
  by("customer-dialog").showModal();
});
by("cancel-customer").addEventListener("click", () => by("customer-dialog").close());
by("customer-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = by("customer-name").value.trim();
  const hidden = by("customer-hidden").checked;
  by("customer-dialog").close();
  const username = hidden ? name.toLowerCase().replace(/[^a-z0-9]+/g, "_") : null;
  const person = await post("customers", { address: newAddress(hidden), name, username });
  if (!person) return;
  if (!customers.has(person.id)) customers.set(person.id, newCustomer(person));
  choose(person.id);
  closeSide();
  by("text").focus();
});

// Files

by("pick-files").addEventListener("click", () => by("files").click());
by("files").addEventListener("change", () => { knowledge.add(by("files").files); by("files").value = ""; });
let dragged = 0;
const hasFiles = (event) => event.dataTransfer?.types.includes("Files") && !by("knowledge").hidden;
const dropping = (shown) => { by("drop-anywhere").hidden = !shown; };
addEventListener("dragenter", (event) => { if (hasFiles(event)) { dragged += 1; dropping(true); } });
addEventListener("dragleave", (event) => { if (hasFiles(event)) { dragged -= 1; dropping(dragged > 0); } });
addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  dragged = 0;
  dropping(false);
  knowledge.add(event.dataTransfer.files);
});

// Light and dark, and the side panel of small screens

const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = (name) => { document.documentElement.dataset.theme = name; };
const remembered = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
theme(remembered() ?? (dark.matches ? "dark" : "light"));
dark.addEventListener("change", () => { if (!remembered()) theme(dark.matches ? "dark" : "light"); });
by("theme").addEventListener("click", () => {
  const name = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  theme(name);
  try { localStorage.setItem("theme", name); } catch { /* private windows may forbid it */ }
});

function openSide() {
  document.body.classList.add("side-open");
  by("backdrop").hidden = false;
  by("close-side").focus();
}

function closeSide() {
  document.body.classList.remove("side-open");
  by("backdrop").hidden = true;
}

by("open-side").addEventListener("click", openSide);
by("close-side").addEventListener("click", () => { closeSide(); by("open-side").focus(); });
by("backdrop").addEventListener("click", closeSide);
addEventListener("keydown", (event) => { if (event.key === "Escape") closeSide(); });
if (matchMedia("(min-width: 861px)").matches) by("text").focus();
