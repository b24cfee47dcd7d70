// What a browser remembers of how somebody wants the page; nothing where it may not.

export function remembered(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(`affectline-${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(`affectline-${name}`, JSON.stringify(value));
  } catch {
    // private windows of some browsers store nothing
  }
}
