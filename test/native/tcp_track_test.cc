#include "conntrack/tcp_track.h"

#include <gtest/gtest.h>

namespace flatproxy {
namespace {

using enum TcpJudgement;

/// A connection as its segments, judged one by one.
class TcpTrack : public ::testing::Test {
 protected:
  static TcpSegment segment(uint8_t flags, uint32_t sequence, uint32_t ack, uint32_t payload = 0,
                            uint16_t window = 1000) {
    return {sequence, ack, payload, window, flags, kNoWindowScale};
  }
  TcpJudgement client(const TcpSegment& s) { return tcp_track(flow_, s, kOriginal); }
  TcpJudgement server(const TcpSegment& s) { return tcp_track(flow_, s, kReply); }
  void handshake(uint8_t client_scale = kNoWindowScale, uint8_t server_scale = kNoWindowScale) {
    TcpSegment syn = segment(kTcpSyn, 100, 0);
    syn.window_scale = client_scale;
    tcp_open(flow_, syn, kOriginal, false);
    EXPECT_EQ(flow_.state, FlowState::tcp_syn_sent);
    TcpSegment syn_ack = segment(kTcpSyn | kTcpAck, 500, 101);
    syn_ack.window_scale = server_scale;
    EXPECT_EQ(server(syn_ack), accepted);
    EXPECT_EQ(flow_.state, FlowState::tcp_syn_received);
    EXPECT_EQ(client(segment(kTcpAck, 101, 501)), accepted);
    EXPECT_EQ(flow_.state, FlowState::tcp_established);
  }
  FlowHot flow_{};
};

TEST_F(TcpTrack, FollowsAConnectionFromSynToTimeWait) {
  handshake();
  EXPECT_EQ(client(segment(kTcpAck | kTcpPsh, 101, 501, 50)), accepted);
  EXPECT_EQ(server(segment(kTcpAck, 501, 151, 200)), accepted);
  EXPECT_EQ(client(segment(kTcpAck | kTcpFin, 151, 701)), accepted);
  EXPECT_EQ(flow_.state, FlowState::tcp_fin_wait);
  EXPECT_EQ(server(segment(kTcpAck, 701, 152)), accepted);
  EXPECT_EQ(flow_.state, FlowState::tcp_close_wait);
  EXPECT_EQ(server(segment(kTcpAck | kTcpFin, 701, 152)), accepted);
  EXPECT_EQ(flow_.state, FlowState::tcp_last_ack);
  EXPECT_EQ(client(segment(kTcpAck, 152, 702)), accepted);
  EXPECT_EQ(flow_.state, FlowState::tcp_time_wait);
}

TEST_F(TcpTrack, RefusesWhatLiesOutsideTheWindows) {
  handshake();
  EXPECT_EQ(client(segment(kTcpAck, 101 + 5000, 501, 10)), out_of_window) << "beyond the server's window";
  EXPECT_EQ(client(segment(kTcpAck, 101, 900)), out_of_window) << "acknowledges what was not sent";
  EXPECT_EQ(server(segment(kTcpAck, 501 - 5000, 101, 10)), out_of_window) << "long before the window";
  EXPECT_EQ(client(segment(kTcpAck, 101, 501, 10)), accepted);
}

TEST_F(TcpTrack, ScalesWindowsOnlyWhenBothSidesOfferIt) {
  handshake(7, 7);
  EXPECT_EQ(server(segment(kTcpAck, 501, 101, 0, 1000)), accepted) << "opens 128,000 bytes";
  EXPECT_EQ(client(segment(kTcpAck, 101 + 100000, 501, 10)), accepted);
  FlowHot other{};
  std::swap(other, flow_);
  handshake(7, kNoWindowScale);
  EXPECT_EQ(server(segment(kTcpAck, 501, 101, 0, 1000)), accepted);
  EXPECT_EQ(client(segment(kTcpAck, 101 + 100000, 501, 10)), out_of_window);
}

TEST_F(TcpTrack, ASynAckThatComesOnceMoreChangesNoScale) {
  handshake(7, 7);
  flow_.state = FlowState::tcp_syn_received;
  EXPECT_EQ(server(segment(kTcpSyn | kTcpAck, 500, 101)), accepted) << "without the option";
  EXPECT_EQ(flow_.window_scale[kReply], 7);
  EXPECT_EQ(client(segment(kTcpAck, 101, 501)), accepted);
  EXPECT_EQ(server(segment(kTcpAck, 501, 101, 0, 1000)), accepted) << "opens 128,000 bytes";
  EXPECT_EQ(client(segment(kTcpAck, 101 + 100000, 501, 10)), accepted);
}

TEST_F(TcpTrack, WhatComesAfterASynWasRefusedHasAScale) {
  tcp_open(flow_, segment(kTcpSyn, 100, 0), kOriginal, false);
  EXPECT_EQ(server(segment(kTcpRst | kTcpAck, 0, 101)), accepted);
  EXPECT_EQ(flow_.state, FlowState::tcp_close);
  EXPECT_EQ(flow_.window_scale[kOriginal], 0);
  client(segment(kTcpAck, 101, 1));
  EXPECT_LE(flow_.tcp[kOriginal].max_window, 1000u);
}

TEST_F(TcpTrack, AResetMustFitTheWindow) {
  handshake();
  EXPECT_EQ(server(segment(kTcpRst, 90000, 0)), out_of_window);
  EXPECT_EQ(flow_.state, FlowState::tcp_established);
  EXPECT_EQ(server(segment(kTcpRst, 600, 0)), accepted) << "in the window: the client answers with a challenge ACK";
  EXPECT_EQ(flow_.state, FlowState::tcp_established);
  EXPECT_EQ(server(segment(kTcpRst, 501, 0)), accepted) << "exactly the next one (RFC 5961 section 3)";
  EXPECT_EQ(flow_.state, FlowState::tcp_close);
}

TEST_F(TcpTrack, ARefusedConnectionCloses) {
  tcp_open(flow_, segment(kTcpSyn, 100, 0), kOriginal, false);
  EXPECT_EQ(server(segment(kTcpRst | kTcpAck, 0, 77)), out_of_window) << "acknowledges another SYN";
  EXPECT_EQ(server(segment(kTcpRst | kTcpAck, 0, 101)), accepted);
  EXPECT_EQ(flow_.state, FlowState::tcp_close);
}

TEST_F(TcpTrack, ASynOnAFinishedConnectionOpensItAnew) {
  handshake();
  EXPECT_EQ(client(segment(kTcpRst, 101, 0)), accepted);
  EXPECT_EQ(client(segment(kTcpSyn, 9000, 0)), reopened);
}

TEST_F(TcpTrack, ASynInAnEstablishedConnectionDoesNotDisturbIt) {
  handshake();
  EXPECT_EQ(client(segment(kTcpSyn, 99000, 0)), accepted) << "for the server to challenge";
  EXPECT_EQ(server(segment(kTcpSyn | kTcpAck, 99000, 101)), out_of_window);
  EXPECT_EQ(flow_.state, FlowState::tcp_established);
  EXPECT_EQ(client(segment(kTcpAck, 101, 501, 10)), accepted);
}

TEST_F(TcpTrack, AClientThatLostItsMemoryBeginsAnew) {
  handshake();
  EXPECT_EQ(client(segment(kTcpAck, 101, 501, 10)), accepted);
  EXPECT_EQ(client(segment(kTcpSyn, 99000, 0)), accepted);
  EXPECT_EQ(server(segment(kTcpAck, 501, 111)), accepted) << "the challenge";
  EXPECT_EQ(client(segment(kTcpRst, 111, 0)), accepted);
  EXPECT_EQ(flow_.state, FlowState::tcp_close);
  EXPECT_EQ(client(segment(kTcpSyn, 99000, 0)), reopened);
}

TEST_F(TcpTrack, AClientMayBeginAnewBeforeItIsAnswered) {
  tcp_open(flow_, segment(kTcpSyn, 100, 0), kOriginal, false);
  EXPECT_EQ(client(segment(kTcpSyn, 7000, 0)), accepted);
  EXPECT_EQ(server(segment(kTcpSyn | kTcpAck, 500, 7001)), accepted);
  EXPECT_EQ(client(segment(kTcpAck, 7001, 501)), accepted);
  EXPECT_EQ(flow_.state, FlowState::tcp_established);
}

TEST_F(TcpTrack, DataOnASynMayBeAcknowledgedOrNot) {
  TcpSegment syn = segment(kTcpSyn, 100, 0, 400);
  tcp_open(flow_, syn, kOriginal, false);
  EXPECT_EQ(server(segment(kTcpSyn | kTcpAck, 500, 101)), accepted);
}

TEST_F(TcpTrack, AnAdoptedConnectionLearnsItsWindows) {
  tcp_open(flow_, segment(kTcpAck, 1000000, 2000000, 1400, 500), kOriginal, true);
  EXPECT_EQ(flow_.state, FlowState::tcp_established);
  EXPECT_EQ(server(segment(kTcpAck, 2000000, 1001400, 1400, 500)), accepted);
  EXPECT_EQ(client(segment(kTcpAck, 1001400, 2001400, 0, 500)), accepted);
  EXPECT_EQ(server(segment(kTcpAck, 2001400 + 0x70000000, 1001400, 10, 500)), out_of_window);
}

TEST_F(TcpTrack, SequenceNumbersWrap) {
  TcpSegment syn = segment(kTcpSyn, 0xfffffff0, 0);
  tcp_open(flow_, syn, kOriginal, false);
  EXPECT_EQ(server(segment(kTcpSyn | kTcpAck, 500, 0xfffffff1)), accepted);
  EXPECT_EQ(client(segment(kTcpAck, 0xfffffff1, 501, 100)), accepted);
  EXPECT_EQ(server(segment(kTcpAck, 501, 0x55)), accepted);
  EXPECT_EQ(client(segment(kTcpAck, 0x55, 501, 100)), accepted);
}

TEST_F(TcpTrack, ASegmentWithoutAcknowledgementIsRefused) {
  handshake();
  EXPECT_EQ(client(segment(kTcpPsh, 101, 0, 10)), wrong_state);
}

}  // namespace
}  // namespace flatproxy
