// Strings that break programs which take them for more than text.

const attack = (code) => `window.attacked = ${JSON.stringify(code)}`;
export const naughty = [
  `<script>${attack("script")}</script>`,
  `"><img src=x onerror='${attack("img")}'>`,
  `'-alert(1)-' onmouseover="${attack("over")}" autofocus onfocus="${attack("focus")}"`,
  `</pre></details></main><svg/onload=${attack("svg")}>`,
  `<!-- <noscript> ]]> --> <style>*{display:none}</style>`,
  "javascript:window.attacked=1",
  "{{constructor.constructor('window.attacked=1')()}} ${window.attacked=1}",
  "\u202Egnp.exe\u2066 العربية עברית \u200F",
  "👩‍👩‍👧‍👦🏳️‍🌈 Ｔｅｓｔ ﷽ Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!",
  "NUL\u0000 bell\u0007 escape\u001b[31m tab\t line\nfeed",
  "x".repeat(10_000),
  "=cmd|' /C calc'!A0, +1, -1, @SUM(A1)",
  "﻿undefined null NaN -1 1e309 ../../../etc/passwd%00",
];

const hasControls = /\p{Cc}/u;

/** Those without control characters. */
export const plain = naughty.filter((text) => !hasControls.test(text));

/** Its first characters as a screen must show them: a control character as a sign of its own, a line end as a space. */
export const beginning = (text) =>
  [...text.replaceAll(/[\t\n]/g, " ")].slice(0, 60).map((c) => (hasControls.test(c) ? "\uFFFD" : c)).join("");
