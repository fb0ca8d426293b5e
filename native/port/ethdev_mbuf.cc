#include "port/ethdev_mbuf.h"

#include <rte_errno.h>
#include <rte_lcore.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <mutex>
#include <new>
#include <utility>

#include "packet/error.h"
#include "packet/frame.h"
#include "wire/bytes.h"

namespace flatproxy {
namespace {

constexpr uint16_t kDataRoom = 2048 + RTE_PKTMBUF_HEADROOM;
constexpr unsigned kCache = 256;
static_assert(RTE_PKTMBUF_HEADROOM >= kHeadroom);

/// Pools whose ports are gone while frames of theirs were still on their way. Never destroyed: a frame may come home
/// while the process ends.
struct Retired {
  std::mutex mutex;
  std::list<MbufPool*> pools;
};
Retired& retired() {
  static auto* const list = new Retired;
  return *list;
}

void sweep(Retired& list) {
  list.pools.remove_if([](MbufPool* pool) {
    if (!pool->idle()) return false;
    delete pool;
    return true;
  });
}

void retire(MbufPool* pool) {
  Retired& list = retired();
  const std::lock_guard lock(list.mutex);
  list.pools.push_back(pool);
  sweep(list);
}

}  // namespace

std::shared_ptr<MbufPool> MbufPool::create(const std::string& port, uint32_t mbufs) {
  static std::atomic<unsigned> number{0};
  {
    Retired& list = retired();
    const std::lock_guard lock(list.mutex);
    sweep(list);
  }
  const std::string name = "flatproxy_" + std::to_string(number++);
  rte_mempool* pool = rte_pktmbuf_pool_create(name.c_str(), mbufs, kCache, sizeof(Segment), kDataRoom,
                                              static_cast<int>(rte_socket_id()));
  if (pool == nullptr) {
    throw Error("ERR_FLATPROXY_RESOURCE",
                "port " + port + ": DPDK has no memory for " + std::to_string(mbufs) +
                    " packet buffers: " + rte_strerror(rte_errno),
                "use fewer ethdev ports or lanes, or provide hugepages (sysctl vm.nr_hugepages)");
  }
  return {new MbufPool(pool), retire};
}

MbufPool::~MbufPool() { rte_mempool_free(mempool_); }

void MbufPool::give_back_from_afar(Segment* segment) {
  rte_pktmbuf_free_seg(static_cast<rte_mbuf*>(segment->foreign));
  gone(1);  // last: the pool may go with it
}

Segment* MbufPool::to_segment(rte_mbuf* mbuf) {
  auto* segment = new (rte_mbuf_to_priv(mbuf)) Segment;
  segment->buffer = static_cast<uint8_t*>(mbuf->buf_addr);
  segment->data = segment->buffer + mbuf->data_off;
  segment->capacity = mbuf->buf_len;
  segment->length = mbuf->data_len;
  segment->next = nullptr;
  segment->pool = this;
  segment->foreign = mbuf;
  segment->references = 1;
  segment->away = false;
  segment->shared = false;
  return segment;
}

// A frame's chain is that of its segments; the mbufs are single while they are a frame.
Segment* MbufPool::to_frame(rte_mbuf* packet) {
  out_.fetch_add(packet->nb_segs, std::memory_order_relaxed);
  Segment* head = to_segment(packet);
  head->frame_length = packet->pkt_len;
  head->flags = 0;
  head->gso_size = 0;
  read_receive_flags(packet, head);
  Segment* last = head;
  for (rte_mbuf* mbuf = std::exchange(packet->next, nullptr); mbuf != nullptr;) {
    rte_mbuf* next = std::exchange(mbuf->next, nullptr);
    last->next = to_segment(mbuf);
    last = last->next;
    mbuf = next;
  }
  packet->nb_segs = 1;
  return head;
}

bool MbufPool::is_home_of(const Segment* frame) const {
  if (frame->references != 1) return false;
  for (const Segment* s = frame; s != nullptr; s = s->next) {
    if (s->pool != this) return false;
  }
  return true;
}

rte_mbuf* MbufPool::borrow(Segment* frame) const {
  auto* head = static_cast<rte_mbuf*>(frame->foreign);
  head->nb_segs = 0;
  for (Segment* s = frame; s != nullptr; s = s->next) {
    auto* mbuf = static_cast<rte_mbuf*>(s->foreign);
    mbuf->data_off = static_cast<uint16_t>(s->headroom());
    mbuf->data_len = static_cast<uint16_t>(s->length);
    mbuf->next = s->next == nullptr ? nullptr : static_cast<rte_mbuf*>(s->next->foreign);
    ++head->nb_segs;
  }
  head->pkt_len = frame->frame_length;
  head->ol_flags = 0;
  return head;
}

void MbufPool::undo(Segment* frame) {
  for (Segment* s = frame; s != nullptr; s = s->next) {
    auto* mbuf = static_cast<rte_mbuf*>(s->foreign);
    mbuf->next = nullptr;
    mbuf->nb_segs = 1;
  }
}

rte_mbuf* MbufPool::copy(const Segment* frame) const {
  rte_mbuf* head = nullptr;
  rte_mbuf* last = nullptr;
  for (uint32_t at = 0; at < frame->frame_length || head == nullptr;) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(mempool_);
    if (mbuf == nullptr) {
      rte_pktmbuf_free(head);
      return nullptr;
    }
    mbuf->data_len =
        static_cast<uint16_t>(copy_out(frame, at, rte_pktmbuf_mtod(mbuf, uint8_t*), rte_pktmbuf_tailroom(mbuf)));
    at += mbuf->data_len;
    if (head == nullptr) {
      head = mbuf;
    } else {
      last->next = mbuf;
      ++head->nb_segs;
    }
    last = mbuf;
  }
  head->pkt_len = frame->frame_length;
  return head;
}

void read_receive_flags(const rte_mbuf* packet, Segment* frame) {
  if ((packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD) frame->flags |= kChecksumValid;
  if ((packet->ol_flags & RTE_MBUF_F_RX_LRO) == 0 || packet->tso_segsz == 0) return;
  frame->gso_size = packet->tso_segsz;
  frame->flags |= RTE_ETH_IS_IPV6_HDR(packet->packet_type) != 0 ? kGsoTcp6 : kGsoTcp4;
}

bool write_send_flags(const Segment* frame, rte_mbuf* packet) {
  if ((frame->flags & (kNeedsChecksum | kGsoTcp4 | kGsoTcp6)) == 0) return true;
  constexpr uint16_t kTcpField = 16;
  constexpr uint16_t kUdpField = 6;
  const bool tcp = frame->checksum_offset == kTcpField;
  uint8_t headers[14 + 2 * 4];
  const uint32_t known = copy_out(frame, 0, headers, sizeof(headers));
  uint32_t l3 = 14;
  while (l3 + 4 <= known && (wire::load16(&headers[l3 - 2]) == 0x8100 || wire::load16(&headers[l3 - 2]) == 0x88a8))
    l3 += 4;
  const uint32_t l4 = frame->checksum_start;
  if ((frame->flags & kNeedsChecksum) == 0 || l4 <= l3 || (!tcp && frame->checksum_offset != kUdpField)) return false;
  const bool v6 = wire::load16(&headers[l3 - 2]) == 0x86dd;
  packet->l2_len = l3 & 0x7f;
  packet->l3_len = (l4 - l3) & 0x1ff;
  packet->ol_flags |= v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
  packet->ol_flags |= tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
  if ((frame->flags & (kGsoTcp4 | kGsoTcp6)) == 0) return true;
  uint8_t offset;
  if (!tcp || copy_out(frame, l4 + 12, &offset, 1) != 1) return false;
  packet->l4_len = static_cast<uint8_t>((offset >> 4) * 4);
  packet->tso_segsz = frame->gso_size;
  packet->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | (v6 ? 0 : RTE_MBUF_F_TX_IP_CKSUM);
  return true;
}

}  // namespace flatproxy
