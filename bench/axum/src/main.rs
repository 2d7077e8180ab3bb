//! The same service in Rust, on one thread as the others: token, limit, Redis, else the statement.
//!
//! Given a file with the statement, see `bench.service.question.Shared`. Prints its port.

use axum::{
    extract::{Query, RawQuery, State},
    http::{header, HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
    Router,
};
use chrono::{DateTime, Utc};
use jsonwebtoken::{decode, Algorithm, DecodingKey, Validation};
use redis::{aio::ConnectionManager, AsyncCommands};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::{env, error::Error, fs, sync::Arc};

const PER_MINUTE: i64 = 1_000_000;
const SECONDS: u64 = 3600;

#[derive(Deserialize)]
struct Statement {
    sql: String,
    starts: Vec<DateTime<Utc>>,
    most_rows: i64,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    org_id: String,
    projects: Vec<String>,
}

#[derive(Deserialize)]
struct Range {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

#[derive(Serialize)]
struct Point {
    watermark: Option<DateTime<Utc>>,
    number: Option<i32>,
    model: Option<String>,
    requests: Option<Decimal>,
    errors: Option<Decimal>,
    prompt_tokens_sum: Option<Decimal>,
    completion_tokens_sum: Option<Decimal>,
    total_cost_sum: Option<Decimal>,
}

#[derive(Serialize)]
struct Meta {
    timestamp: DateTime<Utc>,
}

#[derive(Serialize)]
struct Answer {
    status: &'static str,
    data: Vec<Point>,
    meta: Meta,
}

struct Service {
    statement: Statement,
    secret: DecodingKey,
    validation: Validation,
    database: deadpool_postgres::Pool,
    redis: ConnectionManager,
}

/// Whatever fails beyond the request itself.
struct Failed(Box<dyn Error>);

impl<E: Into<Box<dyn Error>>> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

async fn metrics(
    State(service): State<Arc<Service>>,
    Query(range): Query<Range>,
    RawQuery(asked): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(Ok(token)) = token.map(|token| decode::<Claims>(token, &service.secret, &service.validation)) else {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    };
    let claims = token.claims;
    let mut redis = service.redis.clone();
    let minute = Utc::now().timestamp() / 60;
    let count: i64 = redis.incr(format!("limit:{}:{}:{minute}", claims.org_id, claims.sub), 1).await?;
    if count > PER_MINUTE {
        return Ok(StatusCode::TOO_MANY_REQUESTS.into_response());
    }
    let key = format!("answer:{}:{}", claims.org_id, asked.unwrap_or_default());
    let kept: Option<Vec<u8>> = redis.get(&key).await?;
    let body = match kept {
        Some(body) => body,
        None => {
            let body = computed(&service, &claims, &range).await?;
            redis.set_ex::<_, _, ()>(&key, &body, SECONDS).await?;
            body
        }
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

async fn computed(service: &Service, claims: &Claims, range: &Range) -> Result<Vec<u8>, Failed> {
    let connection = service.database.get().await?;
    let prepared = connection.prepare_cached(&service.statement.sql).await?;
    let projects = Some(&claims.projects).filter(|named| !named.is_empty());
    let Statement { starts, most_rows, .. } = &service.statement;
    let rows = connection
        .query(&prepared, &[&claims.org_id, &projects, &range.from, &range.to, starts, most_rows])
        .await?;
    let data = rows
        .iter()
        .map(|row| Point {
            watermark: row.get("watermark"),
            number: row.get("number"),
            model: row.get("model"),
            requests: row.get("requests"),
            errors: row.get("errors"),
            prompt_tokens_sum: row.get("prompt_tokens_sum"),
            completion_tokens_sum: row.get("completion_tokens_sum"),
            total_cost_sum: row.get("total_cost_sum"),
        })
        .collect();
    let meta = Meta { timestamp: Utc::now() };
    Ok(serde_json::to_vec(&Answer { status: "success", data, meta })?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args().nth(1).ok_or("give the file of the statement")?;
    let mut postgres: tokio_postgres::Config = env::var("DATABASE_URL")?.parse()?;
    postgres.options("-c jit=off -c timezone=UTC");
    let manager = deadpool_postgres::Manager::new(postgres, tokio_postgres::NoTls);
    let service = Service {
        statement: serde_json::from_str(&fs::read_to_string(file)?)?,
        secret: DecodingKey::from_secret(env::var("JWT_SECRET")?.as_bytes()),
        validation: Validation::new(Algorithm::HS256),
        database: deadpool_postgres::Pool::builder(manager).max_size(20).build()?,
        redis: redis::Client::open(env::var("REDIS_URL")?)?.get_connection_manager().await?,
    };
    let router = Router::new().route("/api/v1/metrics", get(metrics)).with_state(Arc::new(service));
    let listening = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listening.local_addr()?.port());
    axum::serve(listening, router).await?;
    Ok(())
}
