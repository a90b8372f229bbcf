//! Random JSON as nobody writes it: every escape, numbers of every shape, names that are equal when read, blanks
//! anywhere.

use proptest::prelude::*;

/// Which type is to take the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Jsonb,
}

/// A document that a type takes.
pub(super) fn document(kind: Kind) -> BoxedStrategy<String> {
    let scalar = prop_oneof![
        1 => one_of(&["null", "true", "false"]),
        2 => number(kind),
        3 => string(kind, 8),
    ];
    let any = scalar.prop_recursive(5, 40, 6, move |inner| {
        let member = (blanks(), name(kind), blanks(), inner.clone())
            .prop_map(|(before, name, between, value)| format!("{before}{name}{between}:{value}"));
        let array = proptest::collection::vec(inner, 0..6)
            .prop_map(|values| format!("[{}]", values.join(",")));
        let object = proptest::collection::vec(member, 0..8)
            .prop_map(|members| format!("{{{}}}", members.join(",")));
        (blanks(), prop_oneof![array, object], blanks())
            .prop_map(|(before, value, after)| format!("{before}{value}{after}"))
    });
    any.boxed()
}

/// A text that may be no JSON: a document with a few characters more, less or other.
pub(super) fn nearly(kind: Kind) -> impl Strategy<Value = String> {
    let noise: Vec<char> =
        "{}[],:\"\\/ue0123456789abfnrtlsxE+-.NIU \n\u{1}\u{b}\u{a0}é".chars().collect();
    let edit = (any::<prop::sample::Index>(), 0..3_u8, proptest::sample::select(noise));
    (document(kind), proptest::collection::vec(edit, 0..3)).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, what, noise) in edits {
            let at = at.index(chars.len() + 1);
            match what {
                0 => chars.insert(at, noise),
                _ if at == chars.len() => _ = chars.pop(),
                1 => _ = chars.remove(at),
                _ => chars[at] = noise,
            }
        }
        chars.into_iter().collect()
    })
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    proptest::sample::select(texts).prop_map(Into::into)
}

fn blanks() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 1 => "[ \t\n\r]{1,3}"]
}

fn number(kind: Kind) -> BoxedStrategy<String> {
    let shapes = prop_oneof![
        "-?(0|[1-9][0-9]{0,3})",
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?0{0,2}[0-9]{1,2})?",
        "-?0(\\.0{1,6})?([eE][+-]?[0-9]{1,4})?",
    ];
    let limits =
        one_of(&["1e131071", "-0.001E+131074", "1e-16383", "0e1073741822", "0e-16383", "9.99e307"]);
    let beyond =
        one_of(&["1e131072", "1e-16384", "0e1073741823", "1E400000", "1e99999999999999999999"]);
    let within = prop_oneof![60 => shapes, 1 => limits];
    match kind {
        Kind::Jsonb => within.boxed(),
        Kind::Json => prop_oneof![9 => within, 1 => beyond].boxed(),
    }
}

/// Few names, some written in several ways, so that there are duplicates.
fn name(kind: Kind) -> BoxedStrategy<String> {
    let few = one_of(&[
        r#""""#,
        r#"" ""#,
        r#""a""#,
        r#""\u0061""#,
        r#""b""#,
        r#""aa""#,
        r#""é""#,
        r#""\u00e9""#,
        r#""\u00E9""#,
        r#""\n""#,
        r#""\u000a""#,
        r#""\"""#,
        r#""😀""#,
        r#""\ud83d\ude00""#,
    ]);
    prop_oneof![5 => few, 1 => string(kind, 4)].boxed()
}

fn string(kind: Kind, pieces: usize) -> BoxedStrategy<String> {
    let plain = any::<char>()
        .prop_filter("needs an escape", |&char| char >= ' ' && char != '"' && char != '\\');
    let escape = one_of(&[
        r#"\""#,
        r"\\",
        r"\/",
        r"\b",
        r"\f",
        r"\n",
        r"\r",
        r"\t",
        r"\ud83d\ude00",
        r"\uDBFF\uDFFF",
        r"\ud800\udc00",
        r"\u0001",
        r"\u001F",
        r"\u007f",
        r"\u0080",
        r"\uffff",
        r"\\u0000",
    ]);
    let code = prop_oneof![1..0xd800_u32, 0xe000..0x1_0000_u32];
    let code = (code, any::<bool>()).prop_map(|(code, upper)| {
        if upper { format!("\\u{code:04X}") } else { format!("\\u{code:04x}") }
    });
    let whole = prop_oneof![plain.prop_map(String::from), "[ -!#-\\[\\]-~]{1,6}", escape, code];
    // What only `json` takes: NUL, and halves of characters.
    let half = one_of(&[r"\u0000", r"\ud800", r"\udc00", r"\udfff\ud800", r"\ud800\ud800"]);
    let piece = match kind {
        Kind::Jsonb => whole.boxed(),
        Kind::Json => prop_oneof![30 => whole, 1 => half].boxed(),
    };
    proptest::collection::vec(piece, 0..=pieces)
        .prop_map(|pieces| format!("\"{}\"", pieces.concat()))
        .boxed()
}
