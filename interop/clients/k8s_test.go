package clients

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// pods lists two pods, and has a watch tell of another one every so often.
func pods(every time.Duration) http.Handler {
	pod := func(i int) corev1.Pod {
		return corev1.Pod{
			TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("p", i), ResourceVersion: fmt.Sprint(i)},
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") == "" {
			_ = json.NewEncoder(w).Encode(corev1.PodList{
				TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, ListMeta: metav1.ListMeta{ResourceVersion: "2"}, Items: []corev1.Pod{pod(1), pod(2)},
			})
			return
		}
		flush(w)
		for i := 3; pause(r, every); i++ {
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "ADDED", "object": pod(i)})
			flush(w)
		}
	})
}

// A list, and a watch that goes on for hours, with pauses longer than any limit.
func TestKubernetesListsAndWatches(t *testing.T) {
	const every = 20 * time.Minute
	with(t, pods(every), func(t *testing.T, through http.RoundTripper) {
		c, err := kubernetes.NewForConfig(&rest.Config{
			Host: "http://api.test", ContentConfig: rest.ContentConfig{ContentType: "application/json"}, Transport: through, QPS: -1,
		})
		if err != nil {
			t.Fatal(err)
		}
		list, err := c.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) != 2 {
			t.Fatalf("%v, %v", list, err)
		}
		w, err := c.CoreV1().Pods("default").Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		began := time.Now()
		for i := 3; i < 12; i++ {
			e, ok := <-w.ResultChan()
			pod, is := e.Object.(*corev1.Pod)
			if !ok || e.Type != watch.Added || !is || pod.Name != fmt.Sprint("p", i) {
				t.Fatalf("after %v: %+v, %v", time.Since(began), e, ok)
			}
		}
		if took := time.Since(began); took != 9*every {
			t.Errorf("nine events came in %v", took)
		}
	})
}
