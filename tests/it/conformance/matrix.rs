//! For each check a receiver that fails it alone.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use reelhook::simulator::Paths;
use reelhook::simulator::conformance::{Channel, Grade, Level, Outcome, Setting, Verdict, grade};

use super::receiver::{Running, start, start_at};

/// How many receivers are graded at once.
const AT_ONCE: usize = 4;

fn failed(grade: &Grade) -> Vec<&'static str> {
    grade.verdicts.iter().filter(|verdict| verdict.has_failed()).map(|verdict| verdict.name).collect()
}

async fn graded(running: &Running, channel: Channel) -> Grade {
    let mut setting = Setting::new(channel, 1);
    setting.observer = Some(running.observer());
    setting.restart_command = Some(running.restart_command());
    grade(&running.graph, &mut setting, |_| {}).await.unwrap()
}

/// Where changes and lifecycle events have one address.
fn one_address() -> Paths {
    Paths { lifecycle: Paths::default().notifications, ..Paths::default() }
}

/// Every check, as a receiver without a fault is graded: at two addresses, and those that need one at one.
async fn all_checks() -> Vec<Verdict> {
    let grade = graded(&start(""), Channel::Both).await;
    assert_eq!(failed(&grade), [""; 0], "{:#}", grade.json());
    assert_eq!((grade.letter(), grade.is_conformant()), ('A', true));
    let skipped = |verdict: &&Verdict| matches!(verdict.outcome, Outcome::Skip(_));
    let skipped: Vec<_> = grade.verdicts.iter().filter(skipped).map(|verdict| verdict.name).collect();
    assert_eq!(skipped, ["lifecycle-at-the-notification-url"]);
    let one = graded(&start_at("", one_address()), Channel::Subscriptions).await;
    assert_eq!((failed(&one), one.letter()), (vec![], 'A'), "{:#}", one.json());
    grade.verdicts
}

/// What the grade of a receiver with this fault says.
async fn graded_with(check: &Verdict) -> Grade {
    let channel = if check.channel == Channel::Both { Channel::Calls } else { check.channel };
    let is_of_one_address = check.name == "lifecycle-at-the-notification-url";
    let paths = if is_of_one_address { one_address() } else { Paths::default() };
    let running = start_at(check.name, paths);
    let mut setting = Setting::new(channel, 1);
    setting.observer = Some(running.observer());
    setting.restart_command = Some(running.restart_command());
    if check.name == "answers-in-time" {
        // No answer is that fast.
        setting.patience.in_time = Duration::ZERO;
        setting.patience.in_all = Duration::MAX;
    }
    grade(&running.graph, &mut setting, |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_fails_its_check_and_no_other() {
    let checks = all_checks().await;
    let grades = stream::iter(&checks).map(|check| async move { (check, graded_with(check).await) });
    let grades: Vec<_> = grades.buffer_unordered(AT_ONCE).collect().await;
    let mut wrong = Vec::new();
    for (check, grade) in grades {
        let found = failed(&grade);
        if found != [check.name] {
            wrong.push(format!("{}: {found:?}", check.name));
        }
        let is_right = match check.level {
            Level::Must => ('C'..='F').contains(&grade.letter()),
            Level::Should => grade.letter() == 'B',
            Level::Advice => grade.letter() == 'A',
        };
        if !is_right {
            wrong.push(format!("{}: grade {}: {}", check.name, grade.letter(), grade.reason()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_follows_from_a_fault_is_skipped_and_says_from_which() {
    let grade = graded(&start("calls-refuses-no-token"), Channel::Calls).await;
    let follow =
        grade.verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::Follows("calls-refuses-no-token")));
    assert!(follow.count() > 10, "{:#}", grade.json());
    assert_eq!(grade.letter(), 'F', "{}", grade.reason());
    // One fault in both channels.
    let grade = graded(&start("calls-delivers-recordings"), Channel::Both).await;
    assert_eq!(failed(&grade), ["calls-delivers-recordings"]);
}
