// Stores the user's page preferences in the browser, if it allows that.

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
