#!/usr/bin/env node
// Shows that the tests watch: takes away one guard of the program at a time and expects its test to fail. Edits the sources
// and puts them back, so they must be committed. Takes about a minute for each; scripts/remove-guards.mjs [PART OF A NAME].
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

process.chdir(join(import.meta.dirname, "../server"));

// What it guards; where; what stands there, and what does without it; the test that must then fail.
const guards = [
  ["a write that fails is rolled back alone", "src/store/sqlite/writer.rs",
    "savepoint.finish()?; // rolled back, alone", "savepoint.commit()?;", "store::a_commit_that_fails_is_not_there_and_takes_no_other_along"],
  ["a row is settled by whoever holds its claim", "src/store/sqlite/outbox.rs",
    "DELETE FROM outbox WHERE id = ?1 AND claim_id = ?2", "DELETE FROM outbox WHERE id = ?1 AND ?2 = ?2",
    "store_outbox::a_claimed_row_is_nobody_elses_until_the_claim_ends"],
  ["a retry has the key of the first try", "src/outbox/aurea.rs",
    '"Idempotency-Key", &row.ticket.id', '"Idempotency-Key", &row.ticket.claim_id',
    "forwarding::what_failed_is_sent_again_with_the_same_key_and_the_same_bytes"],
  ["redirects are not followed", "src/outbox/http.rs",
    "redirect::Policy::none()", "redirect::Policy::default()", "forwarding::a_redirect_is_never_followed"],
  ["no name leads inside", "src/outbox/reach.rs",
    "reach.allows(address.ip())", "reach.allows(address.ip()) || true", "unreachable::a_name_that_leads_inside_is_not_connected_to"],
  ["a row is not sent beside itself", "src/outbox/under_way.rs",
    "if self.renew(&row.ticket, now) {", "if false && self.renew(&row.ticket, now) {",
    "forwarding::a_row_whose_claim_ends_while_it_is_sent_is_not_sent_beside_itself"],
  ["a message keeps its id", "src/outbox/webhooks.rs",
    "HEADER_WEBHOOK_ID, &row.ticket.id", "HEADER_WEBHOOK_ID, &row.ticket.claim_id",
    "endpoint::a_message_keeps_its_id_and_body_and_is_signed_anew_for_each_try"],
  ["a wish for silence is kept", "src/outbox/gate.rs",
    "Ease::Silence(wait) => self.shut(now + wait)", "Ease::Silence(_) => {}",
    "forwarding::silence_is_kept_for_the_whole_destination_as_long_as_it_asks_for"],
  ["new rows have places of their own", "src/outbox/gate.rs",
    "pub const FRESH: usize = 8;", "pub const FRESH: usize = 0;", "forwarding::a_new_sale_does_not_wait_behind_a_backlog"],
  ["a signature must match", "src/provider/signature.rs",
    "if keys.iter().any(matches) {", "if keys.iter().any(matches) || true {", "webhook::what_is_not_authentic_is_refused_and_changes_nothing"],
  ["a signature must be fresh", "src/provider/signature.rs",
    "> TOLERANCE_SECONDS.unsigned_abs()", "> TOLERANCE_SECONDS.unsigned_abs() * 1_000_000",
    "provider::signature::tests::five_minutes_are_the_limit_both_ways"],
  ["a browser can't say that money came in", "src/ingest/wire.rs",
    "sender.source == Source::Browser &&", "false &&", "collector::a_browser_that_says_that_money_came_in_is_dropped"],
  ["a delivery that came before is known", "src/store/sqlite/rows.rs",
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING", "VALUES (?1, ?2 || random(), ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
    "webhook::thousands_of_copies_at_once_are_one_delivery_and_each_is_answered_200"],
  ["an event that is there stays as it is", "src/store/sqlite/rows.rs",
    "?10, ?11, ?12) ON CONFLICT DO NOTHING", "?10, ?11, ?12) ON CONFLICT DO UPDATE SET properties = excluded.properties",
    "store::a_row_that_is_there_stays_as_it_is"],
  ["connections are limited", "src/accept/places.rs",
    "if taken.in_all >= self.in_all {", "if false && taken.in_all >= self.in_all {",
    "accept::a_connection_too_many_is_closed_and_a_later_one_is_answered"],
  ["a sync that fails is forgiven once", "src/store/sqlite/writer.rs",
    "if self.doubts > 1 {", "if self.doubts > 1_000 {", "disk::sync::a_second_sync_that_fails_ends_the_program_and_says_why"],
  ["a group that is not on disk is answered so", "src/store/sqlite/writer.rs",
    "answer(result.clone());", "answer(Ok(()));", "disk::sync::nobody_hears_200_whose_sync_failed_and_the_file_is_opened_anew"],
  ["a write begins as a write", "src/store/sqlite/writer.rs",
    "transaction_with_behavior(TransactionBehavior::Immediate)?;", "transaction_with_behavior(TransactionBehavior::Deferred)?;",
    "store::sqlite::writer::tests::a_write_that_begins_by_reading_is_not_overtaken_by_another_program"],
  ["a log of another file is refused", "src/store/sqlite/pairing.rs",
    "if self.number != 0 && !", "if self.number == 0 && !", "disk::file::the_log_of_another_store_is_never_mixed_in"],
  ["the log's number follows on its file's", "src/store/sqlite/writer.rs",
    "let is_whole = self.wal.standing()?.is_whole();", "let is_whole = true;",
    "store::sqlite::wal::tests::the_log_belongs_to_its_file_at_every_moment_though_it_is_folded_meanwhile"],
  ["readers are waited for when the log is large", "src/store/sqlite/wal.rs",
    "standing.pages >= i64::from(self.limits.large)", "standing.pages < 0",
    "store::sqlite::wal::tests::the_log_stays_small_though_there_is_always_somebody_who_reads"],
  ["browsers wait when space is scarce", "src/ingest/mod.rs",
    "&& self.store.scarce()", "&& false", "disk::full::browsers_wait_when_the_disk_is_nearly_full_and_money_does_not"],
  ["a head that others may read as two is refused", "src/accept/exchange.rs",
    "if under_way.stage().is_ambiguous() {", "if false && under_way.stage().is_ambiguous() {",
    "hostile::a_request_that_others_could_read_as_two_is_refused_and_its_connection_ends"],
  ["who floods the quarantine pushes out themselves", "src/store/sqlite/quarantine.rs",
    "ORDER BY count(*) DESC, max(place) DESC LIMIT 1", "ORDER BY min(place) LIMIT 1",
    "store_quarantine::who_floods_the_quarantine_pushes_out_only_themselves"],
  ["what was refused is judged by when it arrived", "src/quarantine.rs",
    "provider.verify(&headers, &body, received_at)", "provider.verify(&headers, &body, crate::clock::now())",
    "quarantine::what_came_under_a_wrong_secret_converts_once_after_it_is_mended"],
  ["a known delivery with another body changes nothing", "src/store/sqlite/rows.rs",
    "if committed.conflict {", "if false && committed.conflict {",
    "webhook::the_same_id_with_another_body_is_answered_200_and_the_first_stands"],
  ["a renewal is no conversion of its own", "src/domain/ledger/settle.rs",
    "filter(|payment| payment.kind == PaymentKind::First);", "filter(|_| true);",
    "ledger::a_renewal_adds_to_the_conversion_and_a_trial_converts_with_nothing"],
  ["currencies are not added together", "src/domain/ledger/settle.rs",
    "piece.amount.filter(|amount| amount.currency == currency)", "piece.amount.filter(|_| true)",
    "ledger::what_is_told_in_another_currency_or_without_an_amount_is_kept_and_counts_for_nothing"],
  ["a delivery of another account counts for nothing", "src/webhook.rs",
    "if foreign.is_some() {", "if false && foreign.is_some() {",
    "quarantine::a_delivery_about_another_company_is_kept_and_changes_nothing"],
  ["bodies under way share what memory there is", "src/accept/budget.rs",
    "if enough {", "let enough = true;\n        if enough {",
    "accept::large_bodies_under_way_share_the_memory_that_there_is_and_small_ones_get_through"],
  ["a backup never takes the store's place", "src/ops/backup.rs",
    "if own.any(", "if false && own.any(", "backup::a_backup_never_takes_the_place_of_the_store_or_of_what_belongs_to_it"],
  ["what a firewall refuses waits alone", "src/outbox/lane.rs",
    "is_ok_and(may_be_about_the_body) &&", "is_ok_and(may_be_about_the_body) && false &&",
    "forwarding::an_event_that_a_firewall_refuses_for_what_it_says_holds_up_nobody"],
  ["what stands alone and is refused is parked", "src/outbox/step.rs",
    "None => Step::Stays(parked(row, why, now)),", "None => Step::Gone,",
    "forwarding::one_bad_event_is_parked_and_its_siblings_go_through"],
];

let unnoticed = 0;
for (const [what, file, stands, without, test] of guards.filter(([what]) => what.includes(process.argv[2] ?? ""))) {
  if (execFileSync("git", ["status", "--porcelain", "--", file]).length > 0) throw new Error(`commit ${file} first`);
  const source = readFileSync(file, "utf8");
  if (!source.includes(stands)) throw new Error(`${file}: "${stands}" is not there`);
  writeFileSync(file, source.replace(stands, without));
  try {
    const ran = run(test);
    const failed = ran.includes(`test ${test} ... FAILED`);
    if (!failed) unnoticed += 1;
    console.log(`${failed ? "noticed" : "NOT NOTICED"}: without "${what}" ${test} ${failed ? "fails" : `does not fail:\n${ran}`}`);
  } finally {
    writeFileSync(file, source);
  }
}
process.exitCode = unnoticed === 0 ? 0 : 1;

/** Runs one test; gives what cargo and it said. */
function run(test) {
  const where = test.includes("::tests::") ? ["--lib"] : ["--test", "it"];
  const args = ["test", "--package", "server", "--features", "failpoints", ...where, "--", "--exact", test];
  const { stdout, stderr } = spawnSync("cargo", args, { encoding: "utf8", timeout: 600_000, maxBuffer: 1e8 });
  return `${stdout}\n${stderr}`;
}
