// The sessions on the page: one handles the keyboard; two may play together.

class Panes {
  constructor() {
    this.all = new Set();
    this.active = null;
    this.areTogether = false;
  }

  add(pane) {
    this.all.add(pane);
    this.active ??= pane;
  }

  remove(pane) {
    this.all.delete(pane);
    if (this.active === pane) [this.active = null] = this.all;
  }

  // The panes that follow commands to one of them.
  with(pane) {
    return this.areTogether ? [...this.all] : [pane];
  }
}

export const panes = new Panes();
