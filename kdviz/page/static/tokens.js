// WordPiece, as the tokenizer of the models does it. What becomes of each character stands in `rules` (reading.json),
// which the tokenizer itself was asked for; see kdviz/page/reading.py.
"use strict";

globalThis.reader = function (rules) {
  const ids = new Map(rules.vocab.map((token, id) => [token, id]));
  const change = new Map(Object.entries(rules.change));

  // Whether a code lies in one of the ranges [from, to, from, to, …].
  function within(ranges, code) {
    let low = 0, high = ranges.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ranges[2 * middle + 1] < code) low = middle + 1;
      else high = middle;
    }
    return 2 * low < ranges.length && ranges[2 * low] <= code;
  }

  // The words of a text, each a list of characters.
  function words(text) {
    const found = [[]];
    for (const letter of rules.decompose ? text.normalize("NFD") : text) {
      const code = letter.codePointAt(0);
      if ((code >= 0xd800 && code < 0xe000) || within(rules.drop, code)) continue; // half a character is none
      if (within(rules.space, code)) found.push([]);
      else if (within(rules.split, code)) found.push([change.get(letter) ?? letter], []);
      else found.at(-1).push(...(change.get(letter) ?? letter));
    }
    return found.filter((word) => word.length);
  }

  // The ids of a word's pieces, the longest that the vocabulary has first; one id of [UNK] when a piece is missing.
  function pieces(word) {
    const found = [];
    if (word.length > rules.longest) return [rules.unknown];
    for (let start = 0; start < word.length; ) {
      let end = word.length, id;
      for (; end > start; end--) {
        id = ids.get((start ? rules.prefix : "") + word.slice(start, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return [rules.unknown];
      found.push(id);
      start = end;
    }
    return found;
  }

  // {ids, tokens, whole}: at most `longest` tokens, the special ones at both ends included; whole is their number uncut.
  return function read(text, longest) {
    const all = words(text).flatMap(pieces);
    const kept = [rules.first, ...all.slice(0, longest - 2), rules.last];
    return { ids: kept, tokens: kept.map((id) => rules.vocab[id]), whole: all.length + 2 };
  };
};
