package observe

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/prometheus/client_golang/prometheus"
)

// pull asks for what is known elsewhere, when somebody looks.
type pull struct {
	m   *Metrics
	log *slog.Logger

	mu   sync.Mutex
	last struct { // what counting the durable runs came to
		runs  *durable.Runs
		tally durable.Tally
		err   error
		at    time.Time
		took  time.Duration
	}
}

// restFor is how many times as long as it took to count the durable runs they
// are not counted again: among millions that wait, whoever looks every few
// seconds would keep the database busy with nothing else.
const restFor = 50

// askTime bounds how long the database may take to count durable runs. A
// database that is busy is not to be asked for long how busy it is.
const askTime = 2 * time.Second

// Describe implements prometheus.Collector.
func (p *pull) Describe(ch chan<- *prometheus.Desc) {
	for _, v := range p.m.vecs {
		if v.desc != nil {
			ch <- v.desc
		}
	}
}

// Collect implements prometheus.Collector.
func (p *pull) Collect(ch chan<- prometheus.Metric) {
	source := p.m.source.Load()
	if source == nil {
		return
	}
	for db, s := range source.Stores {
		if measured, ok := s.(store.Measured); ok {
			p.store(ch, db.Name, measured.Stats())
		}
	}
	if source.Runs == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	tally, err := p.count(ctx, source.Runs)
	if err != nil {
		p.log.Debug("counting durable runs failed", "cause", err)
		return
	}
	for _, s := range []durable.Status{durable.Queued, durable.Running, durable.Waiting} {
		p.send(ch, "flowctl_durable_runs", prometheus.GaugeValue, float64(tally.Status[s]), string(s))
	}
	p.send(ch, "flowctl_durable_runs_due", prometheus.GaugeValue, float64(tally.Due))
}

// count counts the durable runs, unless that was done just before.
func (p *pull) count(ctx context.Context, runs *durable.Runs) (durable.Tally, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.last
	if l.runs != runs || time.Since(l.at) >= restFor*l.took {
		began := time.Now()
		l.tally, l.err = runs.Count(ctx)
		l.runs, l.at, l.took = runs, time.Now(), time.Since(began)
	}
	return l.tally, l.err
}

func (p *pull) store(ch chan<- prometheus.Metric, db string, s store.Stats) {
	p.send(ch, "flowctl_pool_connections", prometheus.GaugeValue, float64(s.InUse), db, "in_use")
	p.send(ch, "flowctl_pool_connections", prometheus.GaugeValue, float64(s.Idle), db, "idle")
	p.send(ch, "flowctl_pool_max_connections", prometheus.GaugeValue, float64(s.Most), db)
	p.send(ch, "flowctl_pool_waits_total", prometheus.CounterValue, float64(s.Waits), db)
	p.send(ch, "flowctl_pool_wait_seconds_total", prometheus.CounterValue, s.WaitTime.Seconds(), db)
	if s.Hits+s.Misses > 0 {
		p.send(ch, "flowctl_cache_questions_total", prometheus.CounterValue, float64(s.Hits), db, "hit")
		p.send(ch, "flowctl_cache_questions_total", prometheus.CounterValue, float64(s.Misses), db, "miss")
	}
	if s.Commits == nil {
		return
	}
	buckets, commits := map[float64]uint64{}, uint64(0)
	for i, bound := range store.GroupBounds() {
		commits += s.Commits[i]
		buckets[bound] = commits
	}
	if h, err := prometheus.NewConstHistogram(p.m.vecs["flowctl_commit_group_size"].desc, commits, float64(s.Writes), buckets, db); err == nil {
		ch <- h
	}
}

func (p *pull) send(ch chan<- prometheus.Metric, name string, kind prometheus.ValueType, v float64, labels ...string) {
	if m, err := prometheus.NewConstMetric(p.m.vecs[name].desc, kind, v, labels...); err == nil {
		ch <- m
	}
}
