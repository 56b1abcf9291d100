//! Lines that are parsed before their turn have the answers of lines that are answered one by one.

use crate::edits::{Edits, TIME_MS, edited, pick};
use crate::payments::{LINES, rules, service};
use levelgate::service::payments::{lines::answer_line, lines_ahead::LineChunk};
use std::{sync::Arc, time::Duration};

/// A line: which one, its changes, and the number of its transaction and of its customer.
type Sent = (u8, Option<Edits>, u8);

fn text_of((number, edits, transaction): &Sent) -> Vec<u8> {
    let line = pick(&LINES, *number).replace("\"t-", &format!("\"t-{}-", transaction % 8));
    edits.as_ref().map_or_else(|| line.clone().into_bytes(), |edits| edited(line.as_bytes(), edits))
}

/// Several chunks are parsed before the first of them is decided, and the rules are replaced in between. Lines repeat the
/// ids of earlier ones, name levels that earlier ones make, and are malformed.
#[test]
fn lines_parsed_ahead_have_the_answers_of_lines_one_by_one() {
    bolero::check!()
        .with_test_time(Duration::from_millis(TIME_MS))
        .with_type::<(Vec<(Vec<Sent>, bool)>, u8)>()
        .for_each(|(chunks, parsed_ahead)| {
            let (one_by_one, ahead) = (service(), service());
            let parsed_ahead = usize::from(parsed_ahead % 3) + 1;
            for group in chunks.chunks(parsed_ahead) {
                let sent: Vec<LineChunk> = group
                    .iter()
                    .map(|(lines, _)| {
                        let mut chunk = LineChunk::default();
                        lines.iter().for_each(|line| chunk.push(Ok(&text_of(line))));
                        chunk.push(Err(9));
                        chunk
                    })
                    .collect();
                let rules_at_first = ahead.rules();
                let parsed: Vec<_> =
                    sent.iter().map(|chunk| ahead.parse_ahead(&rules_at_first, chunk, |_| Ok(()))).collect();
                for ((lines, has_reload), parsed) in group.iter().zip(&parsed) {
                    if *has_reload {
                        ahead.rules.store(Arc::new(rules("300.00")));
                        one_by_one.rules.store(Arc::new(rules("300.00")));
                    }
                    let got = ahead.decide_in_turn(parsed, |_| Ok(())).render();
                    let mut want = Vec::new();
                    for line in lines {
                        answer_line(&one_by_one, Ok(&text_of(line)), &mut want, |_| Ok(()));
                    }
                    answer_line(&one_by_one, Err(9), &mut want, |_| Ok(()));
                    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&want));
                }
            }
        });
}
