// The sheet with the rows of a list message; it opens over its phone.

import { element } from "./message_text.js";

export class ListSheet {
  constructor({ dialog, title, rows, close }) {
    this.dialog = dialog;
    this.title = title;
    this.rows = rows;
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }

  open(message, phone, choose) {
    this.title.textContent = message.menu;
    this.rows.replaceChildren(...message.buttons.map(({ id, title, description }) => {
      const row = element("button", "", "sheet-row");
      row.type = "button";
      row.append(element("b", title));
      if (description) row.append(element("small", description));
      row.addEventListener("click", () => { this.dialog.close(); choose(id); });
      return row;
    }));
    const { left, bottom, width } = phone.getBoundingClientRect();
    this.dialog.style.left = `${left}px`;
    this.dialog.style.width = `${width}px`;
    this.dialog.style.bottom = `${innerHeight - bottom}px`;
    this.dialog.showModal();
  }
}
