//! What happens: people write, members work, processes run and crash, time passes.

use std::sync::Arc;

use chrono::TimeDelta;
use whisp::assistant::{Assistant, AssistantError, Budget};
use whisp::channel::OutboundBody;
use whisp::error::Retry;
use whisp::id::{ContactId, ConversationId, MemberId, SubjectId, TenantId};
use whisp::meta::simulator::Say;

use crate::executor::block_on;
use crate::model::{Arrival, Change, Erasure, Said, SaidKind, Typed, Written};
use crate::network::{self, Cargo};
use crate::sim::Sim;
use crate::world::World;

/// How many tasks of one process go on at once at most.
const TASKS_MAX: usize = 5;

/// Backwards by more than this and what was written before and after may change places: work that is due later than a
/// worker looks ahead is not seen.
const BEARS_BACK: TimeDelta = TimeDelta::seconds(30);

pub(crate) fn member() -> MemberId {
    MemberId(SubjectId::from_uuid(uuid::Uuid::from_u128(42)))
}

/// What a member's call has done to a claim, however it ends.
pub(crate) struct Open {
    sim: Arc<Sim>,
    claim: usize,
}

impl Open {
    pub(crate) fn new(sim: &Arc<Sim>, claim: usize, process: usize) -> Self {
        sim.model().begin(claim, sim, process);
        Self { sim: Arc::clone(sim), claim }
    }

    pub(crate) fn done(&self, ok: bool) {
        self.sim.model().end(self.claim, &self.sim, ok);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.done(false);
    }
}

impl World {
    pub(crate) fn act(&mut self) {
        self.sim.next_tick();
        match self.dice.below(40) {
            0..=8 => self.someone_writes(),
            9 => self.someone_says_stop(),
            10 => self.someone_changes_their_mind(),
            11 => self.member_types(),
            12 => self.someone_reads(),
            13..=15 => self.member_works(),
            16 => self.tenant_decides(),
            17 | 18 => self.crash_or_start(),
            19..=22 => self.time_passes(),
            23..=29 => self.webhooks_arrive(),
            _ => self.process_works(),
        }
    }

    fn anyone(&mut self) -> usize {
        let people = self.sim.model().people.len();
        self.dice.below(people)
    }

    fn someone_writes(&mut self) {
        let person = self.anyone();
        for _ in 0..1 + self.dice.below(3) / 2 {
            let roll = self.dice.below(30);
            let number = self.sim.model().said.len();
            let kind = if roll == 0 { SaidKind::Reaction } else { SaidKind::Question };
            let say = match roll {
                0 => match self.sim.model().said.iter().rfind(|said| said.person == person) {
                    Some(said) => Say::Reaction { target: said.id.clone(), emoji: Some("\u{2764}".into()) },
                    None => Say::text(&format!("q{number}")),
                },
                1 => Say::Image { caption: None },
                2 => Say::text(&format!("operator q{number}")),
                3 => Say::Voice,
                _ => Say::text(&format!("q{number}")),
            };
            let kind = if matches!(say, Say::Reaction { .. }) { kind } else { SaidKind::Question };
            self.says(person, &say, kind);
        }
    }

    fn says(&mut self, person: usize, say: &Say, kind: SaidKind) {
        let sim = Arc::clone(&self.sim);
        let (account, persona, shop) = {
            let mut model = sim.model();
            if kind != SaidKind::Reaction {
                model.people[person].wrote_at = model.people[person].wrote_at.max(Some(sim.now()));
            }
            let shop = model.people[person].shop;
            (model.accounts[shop].account.clone(), model.people[person].persona.clone(), shop)
        };
        let id = sim.platform.contact_says(&account, &persona, say);
        let number = {
            let mut model = sim.model();
            let at = sim.now();
            model.said.push(Said { person, id, kind, at, arrival: Arrival::default() });
            model.said.len() - 1
        };
        sim.note(|| format!("person {person} writes q{number} as {kind:?}"));
        network::post(&sim, shop, Cargo::Said(number));
    }

    fn someone_says_stop(&mut self) {
        let person = self.anyone();
        let stop = self.dice.one_in(2);
        let claim = {
            let mut model = self.sim.model();
            let claim = model.claim(stop);
            model.people[person].silent.0.push(claim);
            claim
        };
        let (say, kind) = if stop { ("stop", SaidKind::Stop(claim)) } else { ("start", SaidKind::Start(claim)) };
        self.says(person, &Say::text(say), kind);
    }

    fn someone_changes_their_mind(&mut self) {
        let sim = Arc::clone(&self.sim);
        let questions: Vec<usize> = {
            let model = sim.model();
            (0..model.said.len()).filter(|said| model.said[*said].kind == SaidKind::Question).collect()
        };
        let Some(said) = self.dice.pick(&questions).copied() else { return };
        let text = self.dice.one_in(2).then(|| {
            self.counter += 1;
            format!("edit {} of q{said}", self.counter)
        });
        let (account, persona, shop, target) = {
            let model = sim.model();
            let (said, person) = (&model.said[said], &model.people[model.said[said].person]);
            (model.accounts[person.shop].account.clone(), person.persona.clone(), person.shop, said.id.clone())
        };
        let say = match &text {
            Some(text) => Say::Edit { target, text: text.as_str().into() },
            None => Say::Unsend { target },
        };
        let _ = sim.platform.contact_says(&account, &persona, &say);
        sim.note(|| format!("q{said} becomes {text:?}"));
        let change = {
            let mut model = sim.model();
            model.changes.push(Change { said, text, at: sim.now(), arrival: Arrival::default() });
            model.changes.len() - 1
        };
        network::post(&sim, shop, Cargo::Changed(change));
    }

    fn member_types(&mut self) {
        let person = self.anyone();
        self.counter += 1;
        let text = format!("typed {}", self.counter);
        let sim = Arc::clone(&self.sim);
        let (account, persona, shop) = {
            let model = sim.model();
            let person = &model.people[person];
            (model.accounts[person.shop].account.clone(), person.persona.clone(), person.shop)
        };
        let id = sim.platform.member_types(&account, &persona, &text);
        let typed = {
            let mut model = sim.model();
            let at = sim.now();
            model.typed.push(Typed { person, id, at, arrival: Arrival::default() });
            model.typed.len() - 1
        };
        sim.note(|| format!("a member types to {person}: {text}"));
        network::post(&sim, shop, Cargo::Typed(typed));
    }

    fn someone_reads(&mut self) {
        let person = self.anyone();
        let (account, persona, shop) = {
            let model = self.sim.model();
            let person = &model.people[person];
            (model.accounts[person.shop].account.clone(), person.persona.clone(), person.shop)
        };
        self.sim.platform.contact_reads(&account, &persona);
        network::post(&self.sim, shop, Cargo::Other);
    }

    /// The conversation of a person, as it is stored now.
    fn conversation(&self, person: usize) -> Option<(TenantId, ConversationId, ContactId)> {
        let (tenant, channel, ids) = {
            let model = self.sim.model();
            let shop = &model.accounts[model.people[person].shop];
            (model.tenants[shop.tenant].id, shop.channel.clone(), model.people[person].ids.clone())
        };
        let desk = self.observer.desk(tenant);
        let page = block_on(desk.inbox(None, 100)).ok()?;
        page.conversations.into_iter().filter(|conversation| conversation.channel == channel).find_map(|conversation| {
            // Half erased, it is nobody's.
            let contact = block_on(desk.contact(conversation.contact)).ok()?;
            let own = contact.handles.iter().any(|handle| ids.contains(&handle.value.expose().to_string()));
            own.then_some((tenant, conversation.id, conversation.contact))
        })
    }

    fn member_works(&mut self) {
        let person = self.anyone();
        let Some((process, assistant)) = self.worker() else { return };
        let Some((tenant, conversation, contact)) = self.conversation(person) else { return };
        let sim = Arc::clone(&self.sim);
        let roll = self.dice.below(14);
        match roll {
            0..=2 => {
                let open = self.open(person, true, process);
                self.desk(process, "take over", open, async move {
                    assistant.desk(tenant).by(member()).take_over(conversation).await
                });
            }
            3..=5 => {
                let open = self.open(person, false, process);
                self.desk(process, "hand back", open, async move {
                    assistant.desk(tenant).by(member()).hand_back(conversation).await
                });
            }
            6 => {
                let open = self.open(person, false, process);
                self.desk(process, "resolve", open, async move {
                    assistant.desk(tenant).by(member()).resolve(conversation).await
                });
            }
            7..=10 => self.member_writes(person, process, assistant, tenant, conversation),
            11 | 12 => {
                let approve = self.dice.one_in(2);
                let job = async move {
                    let desk = assistant.desk(tenant);
                    let Ok(open) = desk.suggestions(conversation).await else { return };
                    let Some(suggestion) = open.first() else { return };
                    let done = if approve {
                        desk.by(member()).approve(conversation, suggestion.id, None).await.map(drop)
                    } else {
                        desk.reject(conversation, suggestion.id).await
                    };
                    sim.note(|| format!("suggestion: {:?}", done.as_ref().map_err(ToString::to_string)));
                };
                self.tasks.spawn(&self.sim, process, job);
            }
            _ => self.erase(person, process, assistant, tenant, (conversation, contact)),
        }
    }

    /// Adds a claim of who has the conversation.
    fn open(&self, person: usize, held: bool, process: usize) -> Open {
        let claim = {
            let mut model = self.sim.model();
            let claim = model.claim(held);
            model.people[person].held.0.push(claim);
            claim
        };
        Open::new(&self.sim, claim, process)
    }

    fn desk(
        &mut self,
        process: usize,
        what: &'static str,
        open: Open,
        call: impl Future<Output = Result<(), AssistantError>> + 'static,
    ) {
        let sim = Arc::clone(&self.sim);
        self.tasks.spawn(&self.sim, process, async move {
            let done = call.await;
            sim.note(|| format!("{process}: {what}: {:?}", done.as_ref().map_err(ToString::to_string)));
            open.done(done.is_ok());
        });
    }

    fn member_writes(
        &mut self,
        person: usize,
        process: usize,
        assistant: Assistant,
        tenant: TenantId,
        conversation: ConversationId,
    ) {
        self.counter += 1;
        let text = format!("member {}", self.counter);
        let sim = Arc::clone(&self.sim);
        let place = {
            let mut model = sim.model();
            model.written.push(Written { person, text: text.clone(), begun: sim.tick(), taken: None });
            model.written.len() - 1
        };
        let open = self.open(person, true, process);
        let call = async move {
            assistant.desk(tenant).by(member()).send(conversation, OutboundBody::text(&text)).await?;
            let tick = sim.tick();
            sim.model().written[place].taken = Some(tick);
            Ok(())
        };
        self.desk(process, "send", open, call);
    }

    pub(crate) fn erase(
        &mut self,
        person: usize,
        process: usize,
        assistant: Assistant,
        tenant: TenantId,
        (conversation, contact): (ConversationId, ContactId),
    ) {
        let sim = Arc::clone(&self.sim);
        let place = {
            let mut model = sim.model();
            let erasures = &mut model.people[person].erasures;
            let there = erasures.iter().position(|erasure| erasure.contact == contact);
            there.unwrap_or_else(|| {
                let now = sim.now();
                let begun = sim.tick();
                erasures.push(Erasure { contact, conversation, begun, begun_at: now, done: None, done_at: now });
                erasures.len() - 1
            })
        };
        self.tasks.spawn(&self.sim, process, async move {
            let done = assistant.erase(tenant, contact).await;
            sim.note(|| {
                format!("{process}: erase {person}: {:?}", done.as_ref().map(drop).map_err(ToString::to_string))
            });
            if done.is_ok() {
                sim.count("erasures");
                let tick = sim.tick();
                let erasure = &mut sim.model().people[person].erasures[place];
                if erasure.done.is_none() {
                    (erasure.done, erasure.done_at) = (Some(tick), sim.now());
                }
            } else if let Err(error) = &done
                && sim.is_calm()
                && !is_put_off(error)
            {
                sim.violated("a calm world works", format!("erase: {error:?}"));
            }
        });
    }

    fn tenant_decides(&mut self) {
        let Some((process, assistant)) = self.worker() else { return };
        let shop = self.dice.below(self.sim.model().accounts.len());
        if self.dice.one_in(2) {
            let on = self.dice.one_in(2);
            self.automate(shop, on, process, assistant);
        } else {
            let on = !self.dice.one_in(3);
            self.connect(shop, on, process, assistant);
        }
    }

    fn automate(&mut self, shop: usize, on: bool, process: usize, assistant: Assistant) {
        let (open, tenant) = {
            let mut model = self.sim.model();
            let tenant = model.accounts[shop].tenant;
            let claim = model.claim(on);
            model.tenants[tenant].automation.0.push(claim);
            let id = model.tenants[tenant].id;
            drop(model);
            (Open::new(&self.sim, claim, process), id)
        };
        self.desk(process, if on { "automation on" } else { "automation off" }, open, async move {
            assistant.set_automation(tenant, on).await
        });
    }

    pub(crate) fn connect(&mut self, shop: usize, on: bool, process: usize, assistant: Assistant) {
        let open = {
            let mut model = self.sim.model();
            let claim = model.claim(on);
            model.accounts[shop].connected.0.push(claim);
            drop(model);
            Open::new(&self.sim, claim, process)
        };
        let (tenant, new) = self.connection(shop);
        if on {
            // At another moment than the one before: see `World::populate`.
            self.sim.clock.advance(TimeDelta::milliseconds(1));
            self.desk(process, "connect", open, async move { assistant.connect(tenant, new).await.map(drop) });
            return;
        }
        self.desk(process, "disconnect", open, async move {
            let connections = assistant.connections(tenant).await?;
            let mut outcome = Ok(());
            for (id, channel, ..) in connections {
                // A tenant has one account on each channel.
                if channel == new.channel {
                    outcome = assistant.disconnect(tenant, id).await;
                }
            }
            outcome
        });
    }

    fn crash_or_start(&mut self) {
        if self.dice.one_in(3) {
            if self.tasks.drop_one(&mut self.dice) {
                self.sim.note(|| "somebody no longer waits".to_owned());
                self.sim.count("calls dropped");
            }
            return;
        }
        let place = self.dice.below(self.workers.len());
        if self.workers[place].process.is_none() {
            self.start(place);
        } else if self.dice.one_in(2) {
            self.crash(place);
        }
    }

    fn time_passes(&mut self) {
        let by = match self.dice.below(40) {
            0 => TimeDelta::minutes(self.dice.between(60, 30 * 60)),
            1 if self.dice.one_in(3) => TimeDelta::hours(self.dice.between(30, 6 * 24)),
            2 => TimeDelta::seconds(-self.dice.between(60, 300)),
            3 | 4 => TimeDelta::seconds(-3),
            5..=7 => TimeDelta::seconds(61),
            8 => TimeDelta::seconds(400),
            9..=15 => TimeDelta::seconds(20),
            _ => TimeDelta::milliseconds(self.dice.between(500, 4_000)),
        };
        self.pass(by);
    }

    pub(crate) fn pass(&mut self, by: TimeDelta) {
        self.sim.clock.advance(by);
        if by < TimeDelta::zero() {
            self.sim.model().turned = self.sim.tick();
        }
        if by < -BEARS_BACK {
            self.sim.model().epoch += 1;
        }
        if by > TimeDelta::minutes(30) || by < TimeDelta::zero() {
            self.sim.count("clock jumps");
        }
        self.sim.note(|| format!("the clock moves by {} ms", by.num_milliseconds()));
    }

    fn webhooks_arrive(&mut self) {
        let Some((process, assistant)) = self.worker() else { return };
        if self.tasks.of(process) >= TASKS_MAX {
            return;
        }
        if let Some(flight) = network::take(&self.sim) {
            self.sim.count("webhooks");
            self.tasks.spawn(&self.sim, process, flight.land(process, assistant));
        }
    }

    fn process_works(&mut self) {
        let Some((process, assistant)) = self.worker() else { return };
        if self.tasks.of(process) >= TASKS_MAX {
            return;
        }
        let sim = Arc::clone(&self.sim);
        let roll = self.dice.below(24);
        self.tasks.spawn(&self.sim, process, async move {
            match roll {
                0 => {
                    let swept = assistant.sweep(100).await;
                    if swept.as_ref().is_ok_and(|report| report.moved > 0) {
                        sim.count("sweeps that moved handles to a new key");
                    }
                    report(&sim, process, "sweep", swept);
                }
                1 => report(&sim, process, "release", assistant.release().await),
                2..=12 => works(&sim, process, &assistant, true, false).await,
                13..=18 => works(&sim, process, &assistant, false, true).await,
                _ => works(&sim, process, &assistant, true, true).await,
            }
        });
    }
}

fn report<T: std::fmt::Debug>(sim: &Sim, process: usize, what: &str, done: Result<T, AssistantError>) {
    sim.note(|| format!("{process}: {what}: {:?}", done.map_err(|error| error.to_string())));
}

/// Whether an error may be told once all is calm: how a call failed in the storm is told when that can be written.
const fn is_of_the_storm(error: &AssistantError) -> bool {
    matches!(error, AssistantError::Channel(..))
}

/// Whether an erasure waits, until a time that is told, for a connection that rests since the storm. Any other answer of a
/// platform is a bad one; its own are checked where it gives them.
const fn is_put_off(error: &AssistantError) -> bool {
    matches!(error, AssistantError::Channel(_, error) if matches!(error.retry(), Retry::After(Some(_))))
}

/// Steps and delivers once.
pub(crate) async fn works(sim: &Sim, process: usize, assistant: &Assistant, step: bool, deliver: bool) {
    let budget = Budget { lanes: 64, concurrency: 4 };
    for (wanted, is_step) in [(step, true), (deliver, false)] {
        if !wanted {
            continue;
        }
        let done = if is_step { assistant.step(&budget).await } else { assistant.deliver(&budget).await };
        let what = if is_step { "step" } else { "deliver" };
        match done {
            Ok(report) => {
                let errors: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
                if sim.is_calm() && !report.errors.iter().all(is_of_the_storm) {
                    sim.violated("a calm world works", format!("{what}: {errors:?}"));
                }
                if report.lanes > 0 || !errors.is_empty() {
                    let (lanes, conflicts) = (report.lanes, report.conflicts);
                    sim.note(|| format!("{process}: {what}: {lanes} lanes, {conflicts} conflicts, {errors:?}"));
                }
            }
            Err(error) => {
                if sim.is_calm() {
                    sim.violated("a calm world works", format!("{what}: {error}"));
                }
                sim.note(|| format!("{process}: {what}: {error}"));
            }
        }
    }
}
