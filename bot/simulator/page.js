// The page: as many phones side by side as there is room for, the customers beside them, the bot's trace.

import { CustomerList } from "./customer_list.js";
import { drawers, followTheme } from "./layout.js";
import { FaultPanel } from "./fault_panel.js";
import { KnowledgePanel } from "./knowledge_panel.js";
import { ListSheet } from "./list_sheet.js";
import { Phone } from "./phone.js";
import { post } from "./server.js";
import { TracePanel } from "./trace_panel.js";
import { World } from "./world.js";

const PHONE_WIDTH = 345;
const BURST_PAUSE_MILLISECONDS = 350;
const COPIES = 40;
const by = (id) => document.getElementById(id);

const phones = []; // from left to right
let front = null; // the phone that was touched last
let recent = []; // ids of chosen customers, the latest first
let tracing = false; // whether the server can tell how it came to its replies
let loaded = false;

followTheme(by("theme"));
const open = drawers({ side: by("side"), trace: by("trace"), backdrop: by("backdrop"), fit: () => layPhones() });

const world = new World({
  snapshot: begin,
  customer: meet,
  message: receive,
  status: (customer, message) => { phoneOf(customer)?.chat.status(message.wamid, message.status); list.draw(); },
  changed: (customer, message) => { phoneOf(customer)?.chat.redraw(message); list.draw(); },
  typing: (customer) => phoneOf(customer)?.drawTyping(),
  faults: (faults) => faultPanel.show(faults),
  lost: () => phones.forEach((phone) => phone.presence("connecting…")),
});
const list = new CustomerList(by("customers"), world, { shown: phoneOf, front: () => front?.customer, choose: (customer, wish) => choose(customer, wish) });
const sheet = new ListSheet({ dialog: by("sheet"), title: by("sheet-title"), rows: by("sheet-rows"), close: by("close-sheet") });
const knowledge = new KnowledgePanel(by("documents"), (item) => front?.chat.system(`${item.filename} is ready. Ask about it!`));
const faultPanel = new FaultPanel({ groups: by("fault-groups"), often: by("how-often"), off: by("no-faults"), count: by("fault-count") }, (text) => front?.notice(text));
const trace = new TracePanel({ body: by("turn"), place: by("turn-place"), older: by("older-turn"), newer: by("newer-turn") }, markTurn);

// What the phones may ask of the page
const shared = {
  get business() { return world.business; },
  get suggestions() { return world.suggestions; },
  front: toFront,
  selected: (phone, wamid) => { toFront(phone); trace.select(wamid); if (tracing && !open.isStacked()) open.showTrace(); },
  openSide: () => open.showSide(),
  openTrace: (phone) => { toFront(phone); open.toggleTrace(); },
  menu: (message, phone) => sheet.open(message, phone.by("phone"), (id) => phone.send(() => post("messages", { customer: phone.id, quoted: message.wamid, button_id: id }))),
};

function begin(told) {
  by("knowledge").hidden = !told.knowledge;
  tracing = told.knowledge;
  if (told.knowledge && !loaded) knowledge.load();
  if (!loaded && tracing && !open.isStacked()) open.showTrace();
  loaded = true;
  recent = recent.filter((id) => world.customers.has(id));
  const wanted = front && world.customers.get(front.id);
  front = null;
  phones.forEach((phone) => phone.slot.remove());
  phones.length = 0;
  const first = wanted ?? world.newestFirst()[0];
  if (first) choose(first, { focus: matchMedia("(min-width: 861px)").matches });
  list.draw();
}

function phoneOf(customer) {
  return phones.find((phone) => phone.customer === customer);
}

// As many customers as there is room for, the latest chosen ones, in an order that does not jump.
function layPhones() {
  const room = Math.max(1, Math.floor(by("phones").clientWidth / PHONE_WIDTH));
  const all = [...recent.map((id) => world.customers.get(id)), ...world.newestFirst()];
  const wanted = [...new Set(all.filter(Boolean))].slice(0, room);
  for (const phone of phones.filter(({ customer }) => !wanted.includes(customer))) {
    const next = wanted.find((customer) => !phoneOf(customer));
    if (next) phone.show(next);
    else phones.splice(phones.indexOf(phone), 1)[0].slot.remove();
  }
  for (const customer of wanted.filter((one) => !phoneOf(one))) {
    const phone = new Phone(by("phone"), shared);
    phones.push(phone);
    by("phones").append(phone.slot);
    phone.show(customer);
    phone.by("show-trace").hidden = !tracing;
  }
  by("phones").classList.toggle("several", phones.length > 1);
  if (!phones.includes(front) && phones.length) toFront(phoneOf(wanted[0]));
}

function choose(customer, { focus = true } = {}) {
  recent = [customer.person.id, ...recent.filter((id) => id !== customer.person.id)];
  layPhones();
  toFront(phoneOf(customer));
  open.hideSide();
  if (focus) front.text.focus();
  list.draw();
}

function toFront(phone) {
  if (!phone || (front === phone && trace.customer === phone.id)) return;
  front = phone;
  phones.forEach((one) => one.slot.classList.toggle("front", one === phone));
  phone.customer.unread = 0;
  recent = [phone.id, ...recent.filter((id) => id !== phone.id)];
  if (tracing) trace.follow(phone.id);
  list.draw();
}

// Somebody new, or somebody known with another id.
function meet(customer, was) {
  recent = recent.map((id) => (id === was ? customer.person.id : id));
  const phone = phoneOf(customer);
  phone?.drawOwner();
  if (phone === front) toFront(phone);
  if (!phones.length) choose(customer);
  else layPhones();
  list.draw();
}

function receive(customer, message) {
  customer.add(message);
  const phone = phoneOf(customer);
  if (phone) phone.add(message);
  if (!message.by_customer && phone !== front) customer.unread += 1;
  if (phone && phone === front && tracing) trace.expect();
  list.draw();
}

function markTurn(turn) {
  const wamids = new Set(turn ? turn.messages.map((line) => line.wamid) : []);
  for (const phone of phones) phone.chat.mark(phone === front ? wamids : new Set(), phone === front ? trace.wamid : null);
}

// Bursts and repeats

by("burst").addEventListener("click", async () => {
  const phone = front;
  const [first = "When are you open?", second = "What does delivery cost?"] = world.suggestions;
  open.hideSide();
  for (const text of ["Hi!", first, second, "Thanks"]) {
    phone.say(text);
    await new Promise((wake) => setTimeout(wake, BURST_PAUSE_MILLISECONDS));
  }
});
by("forty").addEventListener("click", () => {
  const text = front.text.value.trim() || world.suggestions[0] || "Hello?";
  front.text.value = "";
  open.hideSide();
  front.say(text, { times: COPIES });
  front.chat.system(`Delivered ${COPIES} times. One reply is right.`);
});

// New customers

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
  try {
    choose(world.meet(await post("customers", { address: newAddress(hidden), name, username })));
  } catch (error) {
    front?.notice(`That did not work: ${error.message}`);
  }
});

// Files: onto a phone they are sent by its customer, anywhere else they become knowledge

by("pick-files").addEventListener("click", () => by("files").click());
by("files").addEventListener("change", () => { knowledge.add(by("files").files); by("files").value = ""; });
let dragged = 0;
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
const phoneUnder = (event) => phones.find((phone) => phone.slot.contains(event.target));
function showDrop(event) {
  const over = event && phoneUnder(event);
  by("drop-anywhere").hidden = !event || Boolean(over) || by("knowledge").hidden;
  for (const phone of phones) {
    phone.by("drop-here").hidden = phone !== over;
    phone.by("drop-here").textContent = `Drop to send as ${phone.customer.person.name}`;
  }
}
addEventListener("dragenter", (event) => { if (hasFiles(event)) { dragged += 1; showDrop(event); } });
addEventListener("dragleave", (event) => { if (hasFiles(event) && --dragged <= 0) showDrop(null); });
addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  dragged = 0;
  showDrop(null);
  const phone = phoneUnder(event);
  if (phone) phone.attach(event.dataTransfer.files[0]);
  else if (!by("knowledge").hidden) knowledge.add(event.dataTransfer.files);
});

addEventListener("keydown", (event) => { if (event.altKey) list.step(event); });
world.follow();
