// A switch for each fault of the simulator, grouped, with one line that says what it does.

import { element } from "./message_text.js";
import { ask, post } from "./server.js";

const LOOK_MILLISECONDS = 1_500;
const REFUSALS = [[131056, "pair limit"], [130429, "number limit"], [131047, "window closed"], [131016, "Meta overloaded"], [190, "token expired"], [131026, "cannot be delivered"]];
const GROUPS = [
  ["When we send", [
    ["down", "Connection ends", "Nothing is taken; the call breaks off."],
    ["refused", "Refused", "Answered with an error; nothing is taken.", { codes: REFUSALS }],
    ["answer_lost", "Answer lost", "Taken and shown, but the connection ends before the answer."],
    ["answer_500", "500 although taken", "Taken and shown, but answered as a server error."],
    ["slow", "Slow answer", "Taken, answered after 5 seconds.", { seconds: 5 }],
    ["held", "Held for a check", "Taken, but answered as held for quality assessment."],
  ]],
  ["Statuses", [
    ["failed_later", "Fails later", "Accepted at first, then the status says failed."],
    ["status_first", "Before the answer", "Statuses arrive before the answer to the send."],
    ["status_late", "Late", "Every status comes 8 seconds later.", { seconds: 8 }],
    ["status_double", "Doubled", "Every status comes twice.", { times: 2 }],
    ["status_shuffle", "Out of order", "Read may come before delivered."],
    ["status_skip", "Delivered left out", "Sent, then read; nothing between."],
    ["status_lost", "Never", "Delivered, but no status ever comes."],
  ]],
  ["Webhooks to us", [
    ["webhook_delay", "Slow", "Every update waits 4 seconds.", { seconds: 4 }],
    ["webhook_duplicate", "Doubled", "Every update comes three times.", { times: 3 }],
    ["webhook_shuffle", "Disorder", "Updates come in any order, up to 2 seconds late.", { seconds: 2 }],
    ["webhook_unheard", "Our answer lost", "Often our 200 is lost on its way, so the update comes again.", { most: 0.6 }],
    ["webhook_forged", "A stranger's copy", "A wrongly signed copy comes before each update."],
  ]],
];

export class FaultPanel {
  constructor(parts, complain) {
    this.parts = parts;
    this.complain = complain;
    this.switches = new Map();
    this.timer = 0;
    this.shows = 0;
    parts.groups.replaceChildren(...GROUPS.map(([title, faults]) => this.group(title, faults)));
    parts.off.addEventListener("click", () => this.change(() => ask("faults", { method: "DELETE" })));
    parts.often.addEventListener("change", () => {
      for (const [kind, { box }] of this.switches) if (box.checked) this.turn(kind);
    });
  }

  // What is in force now, by whoever's wish.
  show(faults) {
    this.shows += 1;
    const active = new Map(faults.filter(({ probability, next }) => probability > 0 || next > 0).map((fault) => [fault.kind, fault]));
    for (const [kind, { box, codes }] of this.switches) {
      box.checked = active.has(kind);
      if (codes && active.get(kind)?.code) codes.value = String(active.get(kind).code);
    }
    this.parts.count.textContent = String(active.size);
    this.parts.count.hidden = !active.size;
    clearTimeout(this.timer);
    // one that strikes once switches itself off when it has
    if (faults.some(({ next }) => next > 0)) this.timer = setTimeout(() => this.look(), LOOK_MILLISECONDS);
  }

  // The feed may tell newer things while the answer is on its way: then the answer is stale.
  look() {
    const shows = this.shows;
    return ask("faults").then(({ faults }) => { if (this.shows === shows) this.show(faults); }).catch(() => {});
  }

  group(title, faults) {
    const whole = element("fieldset");
    whole.append(element("legend", title), ...faults.map((fault) => this.row(...fault)));
    return whole;
  }

  row(kind, name, explained, how = {}) {
    const row = element("div", "", "fault");
    const box = element("input", "", "switch");
    box.type = "checkbox";
    box.id = `fault-${kind}`;
    box.setAttribute("role", "switch");
    const label = element("label", name);
    label.htmlFor = box.id;
    const small = element("small", explained);
    small.id = `about-${kind}`;
    box.setAttribute("aria-describedby", small.id);
    box.addEventListener("change", () => this.turn(kind));
    row.append(label, box, small);
    const codes = how.codes && this.codes(kind, name, how.codes);
    if (codes) row.append(codes);
    this.switches.set(kind, { box, how, codes });
    return row;
  }

  codes(kind, name, listed) {
    const select = element("select", "", "codes");
    select.setAttribute("aria-label", `${name}: which error`);
    for (const [code, meaning] of listed) {
      const option = element("option", `${code} ${meaning}`);
      option.value = String(code);
      select.append(option);
    }
    select.addEventListener("change", () => { if (this.switches.get(kind).box.checked) this.turn(kind); });
    return select;
  }

  turn(kind) {
    const { box, how, codes } = this.switches.get(kind);
    if (!box.checked) return this.change(() => ask(`faults?kind=${kind}`, { method: "DELETE" }));
    const probability = Math.min(Number(this.parts.often.value), how.most ?? 1);
    const fault = { kind, probability, next: probability ? 0 : 1 };
    if (how.seconds) fault.seconds = how.seconds;
    if (how.times) fault.times = how.times;
    if (codes) fault.code = Number(codes.value);
    return this.change(() => post("faults", { faults: [fault] }));
  }

  async change(work) {
    try {
      await work();
    } catch (error) {
      this.complain(`That did not work: ${error.message}`);
    }
    this.look();
  }
}
