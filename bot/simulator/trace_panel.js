// How the bot came to its reply: what it took the burst for, the passages, the time by stage. The bot's own record.

import { element } from "./message_text.js";
import { ask } from "./server.js";

const OUTCOMES = { answered: "Answered", not_known: "Did not know", apology: "Apologised", closed: "Closed without an answer" };
const STAGES = { classify: "Understanding", rewrite: "Rewriting", search: "Searching", answer: "Answering", check: "Checking" };
const LOOK_AGAIN_MILLISECONDS = [300, 900, 2_000, 4_000, 8_000];
const languages = new Intl.DisplayNames(["en"], { type: "language" });

export class TracePanel {
  // `parts` are the elements of the panel; `shown(turn)` is called with what stands there, or null.
  constructor(parts, shown) {
    this.parts = parts;
    this.shown = shown;
    this.customer = null;
    this.turns = [];
    this.wamid = null;
    this.at = 0;
    this.drawn = null;
    this.timers = [];
    parts.older.addEventListener("click", () => this.go(this.at + 1));
    parts.newer.addEventListener("click", () => this.go(this.at - 1));
  }

  // The turns of another customer; without a message the newest one.
  follow(customer, wamid = null) {
    this.customer = customer;
    this.wamid = wamid;
    this.turns = [];
    this.drawn = null;
    this.draw(null);
    return this.look();
  }

  // The turn of one message.
  select(wamid) {
    this.wamid = wamid;
    return this.look();
  }

  // Something happened in the chat: the newest turn is of interest, as soon as it is there.
  expect() {
    this.wamid = null;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers = LOOK_AGAIN_MILLISECONDS.map((pause) => setTimeout(() => this.look(), pause));
  }

  async look() {
    const { customer, wamid } = this;
    if (!customer) return;
    const page = await ask(`turns?customer=${encodeURIComponent(customer)}`).catch(() => null);
    if (!page || customer !== this.customer || wamid !== this.wamid) return;
    const standing = this.turns[this.at]?.id;
    const stays = this.at > 0 && !wamid;
    this.turns = page.turns;
    const found = this.turns.findIndex((turn) => (wamid ? turn.messages.some((line) => line.wamid === wamid) : stays && turn.id === standing));
    if (wamid && found < 0) return this.nothing("The bot has no turn for this message (yet).");
    this.at = Math.max(0, found);
    await this.load();
  }

  go(place) {
    this.wamid = null;
    this.at = Math.min(Math.max(place, 0), this.turns.length - 1);
    return this.load();
  }

  async load() {
    const turn = this.turns[this.at];
    if (!turn) return this.nothing("No turn yet. Write something.");
    const version = JSON.stringify(turn);
    if (version === this.drawn) return;
    const full = await ask(`turns/${turn.id}`).catch(() => null);
    if (!full || turn !== this.turns[this.at]) return;
    this.drawn = version;
    this.draw(full);
  }

  nothing(sentence) {
    this.drawn = null;
    this.draw(null, sentence);
  }

  draw(turn, sentence = "") {
    const { body, place, older, newer } = this.parts;
    const count = this.turns.length;
    place.textContent = turn ? `${count - this.at} of ${count}` : "";
    older.disabled = !turn || this.at >= count - 1;
    newer.disabled = !turn || this.at <= 0;
    body.replaceChildren(...(turn ? [facts(turn), time(turn), lines(turn), ...passages(turn)] : [element("p", sentence, "turn-note")]));
    this.shown(turn);
  }
}

function facts(turn) {
  const list = element("dl", "", "facts");
  const add = (name, value, className = "") => {
    if (value === null || value === "") return;
    list.append(element("dt", name), element("dd", value, className));
  };
  add("Outcome", OUTCOMES[turn.outcome] ?? turn.outcome, `outcome ${turn.outcome}`);
  add("Intent", turn.intents.map((intent) => intent.replace("_", " ")).join(", "));
  add("Topic", turn.topic);
  add("Language", turn.language && `${languageName(turn.language)} (${turn.language})`);
  add("Model", turn.model ?? "none: the built-in answerer");
  if (turn.input_tokens || turn.output_tokens) add("Tokens", `${turn.input_tokens} in, ${turn.output_tokens} out`);
  if (turn.cost_usd) add("Cost", `$${turn.cost_usd.toFixed(5)}`);
  add("Prompt", turn.prompt_hash && turn.prompt_hash.slice(0, 12));
  add("Knowledge", turn.knowledge_version === null ? null : `version ${turn.knowledge_version}`);
  add("Error", turn.error, "bad");
  return list;
}

function languageName(code) {
  try {
    return languages.of(code);
  } catch {
    return code;
  }
}

function time(turn) {
  const parts = stages(turn);
  const total = parts.reduce((sum, part) => sum + part.seconds, 0);
  const whole = element("section", "", "times");
  whole.append(element("h3", `Time: ${seconds(total)}`));
  const bar = element("div", "", "time-bar");
  bar.setAttribute("aria-hidden", "true");
  const list = element("ul", "", "time-list");
  parts.forEach(({ name, seconds: long }, index) => {
    const piece = element("i", "", `stage-${index % 6}`);
    piece.style.flexGrow = String(Math.max(long / (total || 1), 0.004));
    bar.append(piece);
    const line = element("li");
    line.append(element("i", "", `stage-${index % 6}`), element("span", name), element("b", seconds(long)));
    list.append(line);
  });
  whole.append(bar, list);
  return whole;
}

function stages(turn) {
  const at = (moment) => new Date(moment).getTime() / 1000;
  const parts = [];
  if (turn.received_at) parts.push({ name: "Waiting for more", seconds: Math.max(0, at(turn.started_at) - at(turn.received_at)) });
  let known = 0;
  for (const [name, long] of Object.entries(turn.stages)) {
    parts.push({ name: STAGES[name] ?? name, seconds: long });
    known += long;
  }
  const rest = at(turn.finished_at) - at(turn.started_at) - known;
  parts.push({ name: "Everything else", seconds: Math.max(0, rest) });
  return parts;
}

function seconds(long) {
  if (long >= 1) return `${long.toFixed(2)} s`;
  return long >= 0.01 ? `${Math.round(long * 1000)} ms` : `${(long * 1000).toFixed(1)} ms`;
}

function lines(turn) {
  const whole = element("section", "", "turn-lines");
  whole.append(element("h3", "Messages"));
  const list = element("ul");
  for (const line of turn.messages) {
    const item = element("li", "", line.direction);
    const state = line.reason ? `${line.status}: ${line.reason}` : line.status;
    item.append(element("span", line.text || line.type), element("small", state));
    list.append(item);
  }
  whole.append(list);
  return whole;
}

function passages(turn) {
  const found = turn.passages.map((passage) => {
    const whole = element("article", "", "passage");
    const head = element("h4");
    head.append(element("span", passage.filename));
    if (passage.page !== null) head.append(element("small", `p. ${passage.page}`));
    const text = element("p");
    text.dir = "auto";
    text.append(...marked(passage.text, passage.marks));
    whole.append(head);
    if (passage.heading) whole.append(element("small", passage.heading.replaceAll("\n", " › "), "passage-heading"));
    whole.append(text);
    return whole;
  });
  const nodes = [element("h3", `Passages: ${turn.passages.length || "none"}`), ...found];
  if (turn.passages_gone) nodes.push(element("p", `${turn.passages_gone} more were deleted or replaced since.`, "turn-note"));
  return nodes;
}

// The marks count code points; a JavaScript string counts UTF-16 units.
function marked(text, marks) {
  const letters = [...text];
  const nodes = [];
  let done = 0;
  for (const [start, end] of marks) {
    nodes.push(letters.slice(done, start).join(""), element("mark", letters.slice(start, end).join("")));
    done = end;
  }
  nodes.push(letters.slice(done).join(""));
  return nodes;
}
