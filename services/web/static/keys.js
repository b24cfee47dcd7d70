// Single-key shortcuts, inactive while the user is typing or choosing.

const TYPING = "input:not([type=range]), textarea, select, [contenteditable], [role=dialog]";

// Call actions[key] when that key is pressed; returns a function that removes the bindings.
export function onKeys(actions) {
  const listener = (event) => {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target instanceof Element && event.target.closest(TYPING)) return;
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  };
  document.addEventListener("keydown", listener);
  return () => document.removeEventListener("keydown", listener);
}
