"use strict";

const WITHHELD = 2;

/* The words of a text as pairs of where they begin and end; also of languages without spaces. */
function wordsOf(text) {
  if (typeof Intl.Segmenter !== "function") {
    return [...text.matchAll(/\S+/g)].map((found) => [found.index, found.index + found[0].length]);
  }
  return [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)]
    .filter(({ isWordLike }) => isWordLike)
    .map(({ index, segment }) => [index, index + segment.length]);
}

/* A text without the word that somebody is typing. */
function wholeWords(text) {
  const [begin, end] = wordsOf(text).at(-1) ?? [0, 0];
  return end === text.length ? text.slice(0, begin) : text;
}

/*
 * What is shown of the translation of an unfinished text: all but the last words, since they still change
 * (mask-k: Arivazhagan et al. 2020, Re-translation versus Streaming for Simultaneous Translation).
 * What was shown stays as long as the translation begins with it.
 */
function draftOf(translation, shown, withheld = WITHHELD) {
  const words = wordsOf(translation);
  const cut = words.length > withheld ? words[words.length - withheld - 1][1] : 0;
  const line = translation.lastIndexOf("\n") + 1;
  const draft = translation.slice(0, Math.max(cut, line));
  return translation.startsWith(shown) && shown.length > draft.length ? shown : draft;
}
