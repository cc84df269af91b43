// The page's own markup in the visitor's language: elements name their text in data-say (or, for an
// attribute, data-say-alt and so on), and what fills its gaps in data-with: figures, words, or another
// text. A text that is markup itself stands in data-say-markup; it comes from the dictionary alone and
// has no gaps. Gradio translates its components from the same dictionary.

const dictionaries = window.gradio_config?.i18n_translations ?? {};
const language = (() => {
  const wanted = navigator.language ?? "en";
  return [wanted, wanted.split("-")[0]].find((name) => name in dictionaries) ?? "en";
})();
const words = dictionaries[language] ?? dictionaries.en ?? {};
const SAID = ["alt", "title", "aria-label", "placeholder"];
const SAYING = ["[data-say]", "[data-say-markup]", ...SAID.map((name) => `[data-say-${name}]`)].join(",");
const numbers = new Intl.NumberFormat(language, { useGrouping: false });

function phrase(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (gap, name) => {
    const value = values[name];
    if (value?.say) return phrase(value.say, value.with);
    return typeof value === "number" ? numbers.format(value) : value ?? gap;
  });
}

function translate(element) {
  const values = element.dataset.with ? JSON.parse(element.dataset.with) : {};
  if (element.dataset.say) {
    const text = phrase(element.dataset.say, values);
    if (element.textContent !== text) element.textContent = text;
  }
  const marked = element.dataset.sayMarkup;
  if (marked && element.lang !== language) {
    element.innerHTML = phrase(marked);
    element.lang = language;
  }
  for (const name of SAID) {
    const key = element.getAttribute(`data-say-${name}`);
    if (!key) continue;
    const text = phrase(key, values);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

// Called after every change of the page, before it is painted; English stands there already.
function translateAll() {
  if (language !== "en") document.querySelectorAll(SAYING).forEach(translate);
}
document.documentElement.lang = language;
