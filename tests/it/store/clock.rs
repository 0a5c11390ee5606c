//! The machine's clock is set while things wait: nothing falls due by that, and nothing is put off.

use super::*;

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const BACK: SignedDuration = SignedDuration::from_hours(-2);
const FORWARD: SignedDuration = SignedDuration::from_hours(2);

fn sqlite() -> TestStore {
    TestStore::new(open_sqlite)
}

impl TestStore {
    /// Fails an attempt; the next one is due so much later.
    async fn retry_in(&self, lease: Lease, delay: SignedDuration) {
        let at = self.clock.steady() + delay;
        self.settle(lease, Settlement::RetryAt { at, reason: "503".into() }).await;
    }

    /// Ends the process and starts another, whose clock shows another time.
    async fn restart_with_the_clock_set(&mut self, by: SignedDuration) {
        self.store.close().await;
        self.clock = Clock::manual(self.clock.now() + by);
        self.process = Arc::new(Process::default());
        self.store = (self.open)(&self.settings, self.clock.clone(), Arc::clone(&self.process)).unwrap();
        self.operations = Arc::clone(&self.store) as _;
        self.reception = Arc::new(Reception::new(self.clock.clone()));
    }

    /// When the one delivery that waits is shown to be due.
    async fn shown_due(&self) -> Timestamp {
        let waiting = self.store.deliveries(DeliveryState::Open, None, Newest::up_to(9)).await.unwrap();
        waiting[0].at
    }
}

#[tokio::test]
async fn a_clock_that_is_set_puts_no_retry_off_and_brings_none_forward() {
    for step in [BACK, FORWARD] {
        let test = sqlite();
        test.accept(vec![recording("1").to(&["crm"])]).await;
        test.retry_in(test.lease_one("crm").await, SECOND * 5).await;
        test.clock.step(step);
        assert_eq!(test.shown_due().await, test.clock.now() + SECOND * 5, "told by the clock as it is now");
        test.pass(SECOND * 4);
        assert!(test.lease("crm").await.is_empty());
        test.pass(SECOND);
        drop(test.lease_one("crm").await);
    }
}

#[tokio::test]
async fn no_lease_ends_because_the_clock_was_set() {
    for step in [BACK, FORWARD] {
        let test = sqlite();
        test.accept(vec![recording("1").to(&["crm"])]).await;
        let lease = test.lease_one("crm").await;
        test.clock.step(step);
        test.pass(SECOND * 89);
        assert!(test.lease("crm").await.is_empty(), "it is being attempted");
        test.deliver(lease).await;
        test.pass(SECOND * 3600);
        assert!(test.lease("crm").await.is_empty());
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_freezes_nothing_over_a_restart() {
    let mut test = sqlite();
    test.accept(vec![recording("1").to(&["crm"])]).await;
    test.retry_in(test.lease_one("crm").await, SECOND * 5).await;
    // While it runs, and once more while it is stopped.
    test.clock.step(BACK);
    test.restart_with_the_clock_set(BACK).await;
    assert_eq!(test.shown_due().await, test.clock.now() + SECOND * 5);
    test.pass(SECOND * 5);
    drop(test.lease_one("crm").await);
}

#[tokio::test]
async fn a_kill_forgets_no_step_that_was_noticed() {
    let test = sqlite();
    test.accept(vec![recording("1").to(&["crm"])]).await;
    test.retry_in(test.lease_one("crm").await, SECOND * 5).await;
    test.clock.step(BACK);
    test.store.note_time().await.unwrap();
    test.pass(SECOND * 2);
    let clock = Clock::manual(test.clock.now());
    let test = super::sqlite::after_a_kill(&test, clock);
    assert!(test.lease("crm").await.is_empty());
    test.pass(SECOND * 3);
    drop(test.lease_one("crm").await);
}

#[tokio::test]
async fn a_restart_counts_the_time_that_it_took() {
    let mut test = sqlite();
    test.accept(vec![recording("1").to(&["crm"])]).await;
    test.retry_in(test.lease_one("crm").await, SECOND * 60).await;
    test.clock.step(BACK);
    test.restart_with_the_clock_set(SECOND * 59).await;
    assert!(test.lease("crm").await.is_empty());
    test.restart_with_the_clock_set(SECOND).await;
    drop(test.lease_one("crm").await);
}

#[tokio::test]
async fn what_waits_grows_older_whatever_the_clock_says() {
    let mut test = sqlite();
    test.accept(vec![recording("1").to(&["crm"])]).await;
    let asked_for_at = test.clock.now();
    test.pass(SECOND * 60);
    test.clock.step(BACK);
    test.restart_with_the_clock_set(BACK).await;
    test.pass(SECOND * 60);
    let backlog = test.store.backlog().await.unwrap();
    let oldest = backlog[&SinkName::new("crm")].oldest.unwrap();
    assert_eq!((oldest.at, oldest.age), (asked_for_at, Duration::from_secs(120)));
}

#[tokio::test]
async fn ids_stay_in_the_order_of_arrival_whatever_the_clock_says() {
    let mut test = sqlite();
    let mut ids = Vec::new();
    for (n, step) in [SECOND, BACK, SECOND, FORWARD, BACK].into_iter().enumerate() {
        test.pass(SECOND);
        test.clock.step(step);
        if n == 3 {
            test.restart_with_the_clock_set(BACK).await;
        }
        match &test.accept(vec![recording(&n.to_string()).to(&["crm"])]).await[..] {
            [Stored::New { event, .. }] => ids.push(*event),
            other => panic!("{other:?}"),
        }
    }
    assert!(ids.is_sorted(), "{ids:?}");
}

#[tokio::test]
async fn retention_is_neither_cut_short_nor_prolonged_by_a_clock_that_is_set() {
    let day = HOUR * 24;
    for step in [day * -300, day * 300] {
        let mut test = sqlite();
        let is_kept = async |test: &TestStore| {
            test.sweep().await;
            !test.store.unmatched(Newest::up_to(9)).await.unwrap().is_empty()
        };
        test.accept(vec![recording("unmatched").to(&[]), recording("dead").to(&["crm"])]).await;
        test.bury(test.lease_one("crm").await).await;
        test.clock.step(step);
        test.pass(day * 29);
        assert!(is_kept(&test).await);
        assert_eq!(test.store.backlog().await.unwrap()[&SinkName::new("crm")].n_dead, 1);
        test.restart_with_the_clock_set(HOUR * 23).await;
        assert!(is_kept(&test).await);
        test.pass(HOUR * 2);
        assert!(!is_kept(&test).await, "{step:?}");
        assert!(test.store.backlog().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_deadline_keeps_its_distance_when_the_clock_is_set() {
    for step in [BACK, FORWARD] {
        let mut test = sqlite();
        let new = NewOperation {
            id: None,
            call_id: None,
            tenant_id: None,
            client_context: ClientContext::new("support-1"),
            status: Status::NotStarted,
            metadata: None,
            sinks: Vec::new(),
            expected_by: Some(test.clock.now() + SECOND * 60),
            allow_duplicate: false,
        };
        test.operations.create(new).await.unwrap();
        test.clock.step(step);
        test.pass(SECOND * 58);
        assert!(test.store.due(9).await.unwrap().is_empty());
        test.restart_with_the_clock_set(SECOND).await;
        assert!(test.store.due(9).await.unwrap().is_empty());
        test.pass(SECOND);
        assert_eq!(test.store.due(9).await.unwrap().len(), 1);
    }
}
