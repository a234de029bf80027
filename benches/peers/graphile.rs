//! graphile_worker: a job a message, in a named queue a person, so that the answers come in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use graphile_worker::{IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions};
use sqlx::{AssertSqlSafe, PgPool};
use whisp_benches::ingest::{produce, seconds_each};

use crate::Question;

/// How many jobs run beside one another.
const CONCURRENCY: usize = 64;

/// How many jobs are taken at once.
const BATCH: usize = 500;

/// How long what is done waits to be written with others, and how often it looks for jobs: as its own benches have it.
const DELAY: Duration = Duration::from_millis(5);

impl TaskHandler for Question {
    const IDENTIFIER: &'static str = "answer";

    async fn run(self, _context: WorkerContext) -> impl IntoTaskHandlerResult {
        self.answer();
        Ok::<(), String>(())
    }
}

#[derive(Debug)]
pub(crate) struct Graphile {
    pool: PgPool,
    schema: String,
}

impl Graphile {
    pub(crate) const fn open(pool: PgPool, schema: String) -> Self {
        Self { pool, schema }
    }

    pub(crate) async fn round(&self, messages: usize) -> f64 {
        let worker = WorkerOptions::default()
            .pg_pool(self.pool.clone())
            .schema(self.schema.clone())
            .concurrency(CONCURRENCY)
            .poll_interval(DELAY)
            .complete_job_batch_delay(DELAY)
            .local_queue(LocalQueueConfig::default().with_size(BATCH))
            .define_job::<Question>()
            .init()
            .await
            .expect("the server answers");
        let worker = Arc::new(worker);
        let utils = Arc::new(worker.create_utils());
        let running = {
            let worker = Arc::clone(&worker);
            tokio::spawn(async move { worker.run().await })
        };
        let began = Instant::now();
        produce(messages, move || {
            let utils = Arc::clone(&utils);
            async move {
                let question = Question::new();
                let spec = JobSpec { queue_name: Some(format!("person {}", question.person)), ..JobSpec::default() };
                utils.add_job(question, spec).await.expect("it is taken");
            }
        })
        .await;
        let left = format!("SELECT count(*) FROM {}._private_jobs", self.schema);
        while sqlx::query_scalar::<_, i64>(AssertSqlSafe(left.as_str())).fetch_one(&self.pool).await.expect("a table")
            > 0
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let seconds = seconds_each(messages, began);
        worker.request_shutdown();
        running.await.expect("the worker ends").expect("the worker works");
        seconds
    }
}
